package view

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/leasekit/leasekit/lease"
)

// feed keeps a mirror of the store alive as long as somebody looks.
type feed struct {
	manager lease.Manager
	ctx     context.Context //nolint:containedctx // the handler's life, not a call's
	linger  time.Duration

	mu      sync.Mutex
	users   int
	current *session
	idle    *time.Timer // ends the session when nobody came back
}

// session is one life of the mirror, from the first user to after the last.
type session struct {
	mirror *mirror
	ctx    context.Context //nolint:containedctx // ends the session's goroutines
	cancel context.CancelFunc
}

// use returns the mirror, started if it was not, and what to call when it is no
// longer needed. It waits for the first reading of the store.
func (f *feed) use(ctx context.Context) (*session, func(), error) {
	s := f.enter()
	select {
	case <-s.mirror.loaded:
		return s, f.leave, nil
	default:
	}
	select {
	case <-s.mirror.loaded:
		return s, f.leave, nil
	case <-s.mirror.failed:
		f.leave()
		return nil, nil, s.mirror.trouble()
	case <-s.ctx.Done():
		f.leave()
		return nil, nil, lease.ErrClosed
	case <-ctx.Done():
		f.leave()
		return nil, nil, ctx.Err()
	}
}

func (f *feed) enter() *session {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.users++
	if f.idle != nil {
		f.idle.Stop()
		f.idle = nil
	}
	if f.current == nil || f.current.ctx.Err() != nil || f.current.mirror.isOver() {
		if f.current != nil {
			f.current.cancel()
		}
		ctx, cancel := context.WithCancel(f.ctx)
		f.current = &session{mirror: newMirror(), ctx: ctx, cancel: cancel}
		go f.current.run(f.manager)
	}
	return f.current
}

func (f *feed) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.users--
	if f.users > 0 {
		return
	}
	s := f.current
	f.idle = time.AfterFunc(f.linger, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.users == 0 && f.current == s {
			s.cancel()
			f.current = nil
		}
	})
}

// run reads and follows the store until the session ends. What makes it begin
// again: a store out of reach, or a watch that fell behind the history.
func (s *session) run(m lease.Manager) {
	const least, most = 200 * time.Millisecond, 5 * time.Second
	pause := least
	for {
		began := time.Now()
		err := s.follow(m)
		if s.ctx.Err() != nil {
			s.mirror.fail(lease.ErrClosed, true)
			return
		}
		s.mirror.fail(err, errors.Is(err, lease.ErrClosed))
		if errors.Is(err, lease.ErrClosed) {
			s.cancel()
			return
		}
		if time.Since(began) > most {
			pause = least
		}
		select {
		case <-s.ctx.Done():
		case <-time.After(pause + rand.N(pause/2)):
		}
		pause = min(2*pause, most)
	}
}

// notable are the events worth showing one by one: all but renewals.
func notable() []lease.Kind {
	var kinds []lease.Kind
	for _, k := range lease.Kinds() {
		if k != lease.KindRenewed {
			kinds = append(kinds, k)
		}
	}
	return kinds
}

// follow reads the state as of the head of the history, the events before it,
// and then those after it.
func (s *session) follow(m lease.Manager) error {
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	asked := time.Now()
	stats, err := m.Stats(ctx)
	if err != nil {
		return err
	}
	s.mirror.tick(stats, asked)
	config, err := m.Config(ctx)
	if err != nil {
		return err
	}
	leases, complete, err := collect(m.List(ctx, lease.Query{}))
	if err != nil {
		return err
	}
	past, after, err := before(ctx, m, stats)
	if err != nil {
		return err
	}
	s.mirror.load(stats, config, leases, complete)
	s.mirror.remember(past, after)
	s.mirror.ready()

	tended := make(chan struct{})
	go func() {
		defer close(tended)
		s.tend(ctx, m)
	}()
	defer func() { cancel(); <-tended }()
	for e, err := range m.Watch(ctx, lease.Query{After: stats.Head}) {
		if err != nil {
			return err
		}
		s.mirror.apply(e)
	}
	return ctx.Err()
}

// collect reads a list, up to what a mirror keeps.
func collect(list func(yield func(lease.Lease, error) bool)) (leases []lease.Lease, complete bool, err error) {
	for l, err := range list {
		if err != nil {
			return nil, false, err
		}
		if len(leases) == mirrored {
			return leases, false, nil
		}
		leases = append(leases, l)
	}
	return leases, true, nil
}

// before reads the events up to the head, and says after which they come.
func before(ctx context.Context, m lease.Manager, stats lease.Stats) (past []lease.Event, after lease.Seq, err error) {
	if stats.Head == 0 || stats.Oldest == 0 {
		return nil, stats.Head, nil
	}
	after = stats.Oldest - 1
	if stats.Head > recentEvents {
		after = max(after, stats.Head-recentEvents)
	}
	for e, err := range m.History(ctx, lease.Query{After: after, Kinds: notable()}) {
		switch {
		case errors.Is(err, lease.ErrTrimmed): // a moment ago: all that was kept is gone
			return nil, stats.Head, nil
		case err != nil:
			return nil, 0, err
		case e.Seq <= stats.Head:
			past = append(past, e)
		}
	}
	return past, after, nil
}

const (
	tickEvery     = 500 * time.Millisecond // notices expiries
	statsEvery    = 2 * time.Second
	reconcileRest = 20 // times as long as a reading took is the pause before the next
)

// tend keeps true what the history does not tell.
func (s *session) tend(ctx context.Context, m lease.Manager) {
	ticker := time.NewTicker(tickEvery)
	defer ticker.Stop()
	var statsAt, readAt time.Time
	var rest time.Duration
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		s.mirror.expire()
		if time.Since(statsAt) >= statsEvery {
			statsAt = time.Now()
			if !s.poll(ctx, m) {
				continue
			}
		}
		q, every, needed := s.mirror.stale()
		if !needed || time.Since(readAt) < max(every, rest) {
			continue
		}
		readAt = time.Now()
		s.reconcile(ctx, m, q)
		rest = reconcileRest * time.Since(readAt)
	}
}

// poll asks for the store's time and configuration, and so whether it is there.
func (s *session) poll(ctx context.Context, m lease.Manager) bool {
	asked := time.Now()
	stats, err := m.Stats(ctx)
	if err == nil {
		s.mirror.tick(stats, asked)
		var config lease.Config
		if config, err = m.Config(ctx); err == nil {
			s.mirror.configure(config)
		}
	}
	if ctx.Err() == nil {
		s.mirror.reach(err)
	}
	return err == nil
}

// reconcile reads again what q selects.
func (s *session) reconcile(ctx context.Context, m lease.Manager, q lease.Query) {
	s.mirror.begin()
	leases, complete, err := collect(m.List(ctx, q))
	if err == nil {
		s.mirror.settle(q, leases, complete)
	}
	// An error is poll's to notice: it asks more often.
}
