package sqlitedb

import (
	"bufio"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/internal/hints"
	"github.com/leasekit/leasekit/internal/proctest"
)

// looks is a store that the poller looks at, in a bubble.
type looks struct {
	mutex   sync.Mutex
	at      []time.Time
	change  bool // to be reported by the next look
	err     error
	noticed int
	tended  []time.Time
}

func (l *looks) changed(context.Context) (bool, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.at = append(l.at, time.Now())
	change := l.change
	l.change = false
	return change, l.err
}

func (l *looks) notice() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.noticed++
}

func (l *looks) tend() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.tended = append(l.tended, time.Now())
}

// during returns the number of looks within the next d of the bubble's time,
// and the shortest and longest time between two of them.
func (l *looks) during(d time.Duration) (count int, shortest, longest time.Duration) {
	l.mutex.Lock()
	l.at = nil
	l.mutex.Unlock()
	_ = sleep(context.Background(), d)
	synctest.Wait()
	l.mutex.Lock()
	defer l.mutex.Unlock()
	shortest = time.Hour
	for i := range max(len(l.at)-1, 0) {
		gap := l.at[i+1].Sub(l.at[i])
		shortest, longest = min(shortest, gap), max(longest, gap)
	}
	return len(l.at), shortest, longest
}

func (l *looks) changeNow() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.change = true
}

func TestPollerLooksOftenAtFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &looks{}
		p := NewPoller(store.changed, store.notice, store.tend)
		stop := p.Watch()
		_, shortest, longest := store.during(50 * time.Millisecond)
		require.Equal(t, pollFastest, shortest)
		require.LessOrEqual(t, longest, pollFastest+time.Millisecond/2)
		require.Empty(t, store.tended)
		store.during(6 * time.Second)
		for i := range len(store.tended) - 1 {
			after := store.tended[i+1].Sub(store.tended[i])
			require.GreaterOrEqual(t, after, tendFastest)
			require.LessOrEqual(t, after, tendSlowest+pollSlowest)
		}
		require.Greater(t, len(store.tended), 6)
		_, shortest, longest = store.during(time.Second)
		require.Equal(t, pollSlowest, shortest)
		require.Equal(t, pollSlowest, longest)

		store.changeNow()
		store.during(pollSlowest)
		require.Equal(t, 1, store.noticed)
		_, shortest, _ = store.during(20 * time.Millisecond)
		require.Equal(t, pollFastest, shortest, "something happens: look more often")

		store.during(2 * time.Second)
		stopSecond := p.Watch()
		_, _, longest = store.during(20 * time.Millisecond)
		require.Equal(t, pollFastest, longest, "somebody new waits")
		require.Equal(t, 1, store.noticed)

		stop()
		stop()
		count, _, _ := store.during(10 * time.Millisecond)
		require.NotZero(t, count, "one still waits")
		stopSecond()
		count, _, _ = store.during(time.Second)
		require.Zero(t, count, "nobody waits")
		p.Close()
	})
}

func TestPollerStartsAgainAndCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &looks{err: errors.New("busy")}
		store.changeNow()
		p := NewPoller(store.changed, store.notice, store.tend)
		for range 3 {
			stop := p.Watch()
			count, _, _ := store.during(10 * time.Millisecond)
			require.NotZero(t, count)
			stop()
			synctest.Wait()
		}
		require.Zero(t, store.noticed, "an error is no change")

		stop := p.Watch()
		p.Close() // although somebody waits
		stop()
		p.Watch()()
		count, _, _ := store.during(time.Second)
		require.Zero(t, count)
	})
}

func init() {
	roles["commit"] = func(path string, orders *bufio.Scanner) error {
		d, err := Open(context.Background(), path, quick)
		if err != nil {
			return err
		}
		w := NewWriter(d, Hooks{})
		proctest.Say("ready")
		for orders.Scan() {
			if err := w.Do(context.Background(), Call{}, increment(orders.Text())); err != nil {
				return err
			}
			proctest.Say("done")
		}
		return errors.Join(w.Close(), d.Close())
	}
}

func TestPollerNoticesAnotherProcess(t *testing.T) {
	d, w := newCounters(t, Hooks{})
	child := proctest.Start(t, "commit", d.file)
	child.Expect("ready")
	noticed := make(chan struct{}, 1)
	p := NewPoller(w.Changed, func() { hints.Send(noticed) }, func() {})
	defer p.Close()
	stop := p.Watch()
	defer stop()
	<-noticed // what was before the first look is not known
	for i := range 20 {
		child.Tell("a")
		<-noticed
		require.Equal(t, i+1, value(t, d, "a"))
	}
	child.Finish()
}

// Own commits are not changes, those of any other connection are, on whatever
// connection they are looked for.
func TestWriterChanged(t *testing.T) {
	changed := func(w *Writer) bool {
		t.Helper()
		yes, err := w.Changed(t.Context())
		require.NoError(t, err)
		return yes
	}
	d, w := newCounters(t, Hooks{})
	other := mustWriter(t, mustOpen(t, d.file, quick), Hooks{})
	require.True(t, changed(w), "nothing is known before the first look")
	for range 10 {
		require.NoError(t, w.Do(t.Context(), Call{}, increment("a")))
		require.False(t, changed(w))
	}
	require.NoError(t, other.Do(t.Context(), Call{}, increment("a")))
	require.True(t, changed(w))
	require.False(t, changed(w))

	// The look comes after a batch of our own: still seen.
	require.NoError(t, other.Do(t.Context(), Call{}, increment("a")))
	require.NoError(t, w.Do(t.Context(), Call{}, increment("a")))
	require.True(t, changed(w))
	require.False(t, changed(w))

	// An application's small pool.
	for _, limit := range []int{1, 2} {
		shared, err := Adopt(t.Context(), application(t, "file:"+d.file+fullSettings, limit), Options{})
		require.NoError(t, err)
		borrowing := mustWriter(t, shared, Hooks{})
		require.True(t, changed(borrowing))
		require.False(t, changed(borrowing))
		require.NoError(t, other.Do(t.Context(), Call{}, increment("a")))
		require.True(t, changed(borrowing))
		require.False(t, changed(borrowing))
	}
}

// TestPollerMakesNoTwoCallsAtOnce: a poller that is stopped in a call, and watches again, waits for its end.
func TestPollerMakesNoTwoCallsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running, calls atomic.Int32
		end := make(chan struct{})
		p := NewPoller(func(context.Context) (bool, error) { return true, nil }, func() {
			require.EqualValues(t, 1, running.Add(1))
			calls.Add(1)
			<-end
			running.Add(-1)
		}, func() {})
		defer p.Close()
		for range 3 {
			stop := p.Watch()
			_ = sleep(t.Context(), time.Second)
			stop()
		}
		require.EqualValues(t, 1, calls.Load())
		close(end)
		stop := p.Watch()
		defer stop()
		_ = sleep(t.Context(), time.Second)
		synctest.Wait()
		require.Greater(t, calls.Load(), int32(1))
	})
}
