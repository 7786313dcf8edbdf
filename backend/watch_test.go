package backend_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// journal is a history with a head, which Events reads in steps of at most
// three.
type journal struct {
	mu   sync.Mutex
	head lease.Seq
	errs []error // returned first
}

func (j *journal) grow(n lease.Seq) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.head += n
}

func (j *journal) stats() (lease.Stats, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return lease.Stats{Head: j.head}, nil
}

func (j *journal) events(_ context.Context, a backend.EventsArgs) (backend.EventsReply, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.errs) > 0 {
		err := j.errs[0]
		j.errs = j.errs[1:]
		return backend.EventsReply{}, err
	}
	reply := backend.EventsReply{Next: a.Query.After}
	if reply.Next >= j.head {
		return backend.EventsReply{Next: j.head, Wait: 50 * time.Millisecond}, nil
	}
	for range min(3, a.Limit) {
		if reply.Next == j.head {
			break
		}
		reply.Next++
		reply.Events = append(reply.Events, lease.Event{Seq: reply.Next, Kind: lease.KindGranted, Lease: lease.Lease{Token: 7}})
	}
	return reply, nil
}

func (j *journal) install(s *script) { s.stats, s.events = j.stats, j.events }

func TestHistoryEndsAtTheHeadOfItsStart(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		j := &journal{head: 7}
		j.install(s)
		read := func(q lease.Query) (seqs []lease.Seq) {
			for e, err := range m.History(t.Context(), q) {
				require.NoError(t, err)
				seqs = append(seqs, e.Seq)
				j.grow(1)
			}
			return seqs
		}
		require.Equal(t, []lease.Seq{1, 2, 3, 4, 5, 6, 7}, read(lease.Query{}))
		require.Equal(t, []lease.Seq{11, 12, 13, 14}, read(lease.Query{After: 10}))
		require.Equal(t, []lease.Seq{11, 12, 13, 14, 15}, read(lease.Query{After: 10, Limit: 5}))
		require.Empty(t, read(lease.Query{After: lease.Now}))
		require.Empty(t, read(lease.Query{After: 1000}))
	})
}

func TestHistoryShowsTokensOnlyToWhoAsked(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		(&journal{head: 1}).install(s)
		for want, queries := range map[lease.Token][]lease.Query{
			0: {{}, {Path: "a"}, {Under: "a"}},
			7: {{All: true}, {Holder: "h"}, {ID: "i"}},
		} {
			for _, q := range queries {
				for e, err := range m.History(t.Context(), q) {
					require.NoError(t, err)
					require.Equal(t, want, e.Lease.Token)
				}
			}
		}
	})
}

func TestHistoryErrors(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		j := &journal{head: 3, errs: []error{&lease.TrimmedError{After: 1, Oldest: 3}, errDown}}
		j.install(s)
		for _, want := range []error{lease.ErrTrimmed, lease.ErrUnavailable} {
			for _, err := range m.History(t.Context(), lease.Query{After: 1}) {
				require.ErrorIs(t, err, want)
			}
		}
		s.stats = func() (lease.Stats, error) { return lease.Stats{}, errDown }
		for _, err := range m.History(t.Context(), lease.Query{}) {
			require.ErrorIs(t, err, lease.ErrUnavailable)
		}
	})
}

// follow watches in another goroutine; the channel carries all that it yields.
func follow(ctx context.Context, m lease.Manager, q lease.Query) (<-chan lease.Seq, <-chan error) {
	seqs, last := make(chan lease.Seq, 1000), make(chan error, 1)
	go func() {
		var end error
		for e, err := range m.Watch(ctx, q) {
			if err != nil {
				end = err
				continue
			}
			seqs <- e.Seq
		}
		close(seqs)
		last <- end
	}()
	synctest.Wait()
	return seqs, last
}

func TestWatchFollows(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		j := &journal{head: 5}
		j.install(s)
		ctx, cancel := context.WithCancelCause(t.Context())
		seqs, last := follow(ctx, m, lease.Query{After: lease.Now})
		require.Empty(t, seqs)
		j.grow(4)
		for want := lease.Seq(6); want <= 9; want++ {
			require.Equal(t, want, <-seqs)
		}
		why := errors.New("why")
		cancel(why)
		err := <-last
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, why)
	})
}

func TestWatchEnds(t *testing.T) {
	t.Run("Limit", func(t *testing.T) {
		manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
			(&journal{head: 9}).install(s)
			seqs, last := follow(t.Context(), m, lease.Query{Limit: 4})
			require.NoError(t, <-last)
			require.Len(t, seqs, 4)
		})
	})
	t.Run("Trimmed", func(t *testing.T) {
		manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
			(&journal{head: 9, errs: []error{&lease.TrimmedError{}}}).install(s)
			_, last := follow(t.Context(), m, lease.Query{After: 1})
			require.ErrorIs(t, <-last, lease.ErrTrimmed)
		})
	})
	t.Run("Close", func(t *testing.T) {
		manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
			s.events = func(ctx context.Context, _ backend.EventsArgs) (backend.EventsReply, error) {
				<-ctx.Done()
				return backend.EventsReply{}, ctx.Err()
			}
			_, last := follow(t.Context(), m, lease.Query{})
			require.NoError(t, m.Close())
			require.ErrorIs(t, <-last, lease.ErrClosed)
		})
	})
	t.Run("CloseInTheLoop", func(t *testing.T) {
		manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
			(&journal{head: 1}).install(s)
			var last error
			for _, err := range m.Watch(t.Context(), lease.Query{}) {
				require.NoError(t, m.Close())
				last = err
			}
			require.ErrorIs(t, last, lease.ErrClosed)
		})
	})
}

func TestWatchRetries(t *testing.T) {
	manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
		(&journal{head: 1, errs: []error{errDown, errDown, errDown}}).install(s)
		took := elapsed()
		for e, err := range m.Watch(t.Context(), lease.Query{Limit: 1}) {
			require.NoError(t, err)
			require.Equal(t, lease.Seq(1), e.Seq)
		}
		require.Equal(t, 140*time.Millisecond, took())
	})
}

func TestWatchDoesNotSpin(t *testing.T) {
	calls := 0
	o := &backend.Options{Observer: &backend.Observer{StoreCall: func(context.Context, string, time.Duration, error) { calls++ }}}
	manage(t, o, func(t *testing.T, s *script, m lease.Manager) {
		s.events = func(_ context.Context, a backend.EventsArgs) (backend.EventsReply, error) {
			return backend.EventsReply{Next: a.Query.After}, nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for _, err := range m.Watch(ctx, lease.Query{}) {
			require.ErrorIs(t, err, context.DeadlineExceeded)
		}
		require.LessOrEqual(t, calls, 1001)
	})
}
