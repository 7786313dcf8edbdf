package lease

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Keeper renews many leases, each at about a third of its TTL, from one
// goroutine and a bounded number of concurrent calls of Renew, which stores
// merge into few round trips or transactions. It tells the holder of each when
// its lease is lost: at once when the store says so, else a little before the
// lease's local deadline ([Lease.Deadline]).
//
//   - A renewal that fails is tried again, with growing pauses, until the local
//     deadline; one that was applied while its reply was lost does no harm.
//   - A renewal that is refused because the lease's renewals are used up, or
//     because Config.MaxTTL has become less than its TTL, is not tried again: the
//     lease is kept to its expiry.
//   - An attempt is given up after half of the time that is left, or after 10
//     seconds, so that one hanging call does not lose a lease.
//   - Where the store cannot keep up, some leases are lost, not all: one that
//     would be renewed too late makes room for those that can be in time.
//   - Renewals of leases that were granted together spread out by themselves,
//     a hundred or so at a time.
//   - It notices within half a second that the machine was suspended, and then
//     drops the leases that this ended. A step of the wall clock does nothing.
//
// [Keeper.Acquire] acquires and keeps, [Keeper.Keep] keeps what was acquired, and
// [Keeper.Do] does what [Do] does.
//
// A Keeper is made by [NewKeeper], and may be used by many goroutines at once.
// While it keeps nothing it has no goroutine.
type Keeper struct {
	acquirer Acquirer
	options  KeeperOptions
	calls    context.Context
	stop     context.CancelFunc // ends calls
	running  sync.WaitGroup     // the loop and the workers
	wake     chan struct{}      // has the loop look at the schedule again
	closing  <-chan struct{}    // closed when the acquirer is; nil if it does not tell

	mu       sync.Mutex
	schedule schedule // every lease that is kept, by when something has to be done
	byID     index    // the same, by ID; nil without KeeperOptions.Watch
	ready    urgency  // whose renewal is due, for the workers
	workers  int      // goroutines that call Renew
	looping  bool
	took     time.Duration // how long renewals take at present, on average
	closed   bool
	draw     float64 // the jitter of the neighbours that come in at present ...
	drawn    int     // ... and how many have come so far
}

// moment is a reading of [Clock].
type moment = time.Duration

// KeeperOptions are what a [Keeper] may be told. The zero value is the default.
type KeeperOptions struct {
	// Concurrency bounds the calls of Renew under way at once, and those of
	// Release that ReleaseAll makes; 0 is 256, which is two full batches of a
	// store. Held.Release is its caller's own call, and not counted.
	Concurrency int

	// Watch, if set, is where the Keeper follows the history, with one Watch for
	// all leases: so a lease that ForceRelease ends, or that is released or
	// replaced elsewhere, is lost at once, and not at its next renewal. Usually it
	// is the Manager that the leases came from. It needs Config.History; and what
	// ended in the moment before the first lease is kept is found by a renewal.
	Watch Inspector

	// Observer is told what the Keeper does.
	Observer *KeeperObserver
}

const defaultConcurrency = 256

// KeeperObserver is told what a [Keeper] does. Any field may be nil. The
// functions are called by many goroutines at once, hold up the renewals while
// they run, and must not call the Keeper's Close. Their panics are logged
// ([slog.Default]), and end nothing.
type KeeperObserver struct {
	Renewed func(l Lease, took time.Duration)  // a renewal succeeded
	Retried func(l Lease, err error)           // a renewal failed, and will be tried again
	Lost    func(l Lease, err error)           // a lease was lost; err is the context's cause
	Skipped func(l Lease, since time.Duration) // not renewed: no Progress for so long
}

// KeepOptions are the terms on which one lease is kept. The zero value renews
// for as long as Release, Close, or the lease's end.
type KeepOptions struct {
	// Progress, if set, renews only while [Held.Progress] was called within
	// this time. So a worker that hangs loses its lease, after at most Progress
	// and the lease's TTL.
	Progress time.Duration

	// MaxLifetime, if set, is how long the lease is kept at most, from Keep on.
	// A little before that its context ends, with [ErrExpired]; then the lease is
	// released. (A number of renewals is capped by Request.MaxRenewals.)
	MaxLifetime time.Duration
}

func (o *KeepOptions) check() error {
	if o != nil && (o.Progress < 0 || o.MaxLifetime < 0) {
		return Invalid("options", "Progress %v, MaxLifetime %v, want at least 0", o.Progress, o.MaxLifetime)
	}
	return nil
}

// NewKeeper returns a Keeper that acquires and renews through a. Nil options are
// the defaults.
//
// If a tells of its [Lifetime], as the Managers of package backend do, the
// Keeper is closed as soon as a is. Otherwise it notices that a is closed when
// it next renews.
func NewKeeper(a Acquirer, o *KeeperOptions) *Keeper {
	k := &Keeper{acquirer: a, wake: make(chan struct{}, 1)}
	if o != nil {
		k.options = *o
	}
	if k.options.Concurrency <= 0 {
		k.options.Concurrency = defaultConcurrency
	}
	k.options.Observer = forgiving(k.options.Observer)
	if k.options.Watch != nil {
		k.byID = index{}
	}
	calls := context.Background()
	if l, ok := LifetimeOf(a); ok {
		k.closing, calls = l.Closing(), l.Calls()
	}
	k.calls, k.stop = context.WithCancel(calls)
	return k
}

// Keep renews the lease until it is released through what Keep returns, until
// the Keeper is closed, or until the lease ends. The lease is an active one that
// a Manager returned: also from Get, by which a process that was started anew
// goes on with what it held. Only the values of ctx are used: its end does not
// end the keeping.
//
// A lease that is over already is [ErrExpired]; one that is not a Manager's
// reply, or bad options, [ErrInvalid]; a closed Keeper [ErrClosed].
func (k *Keeper) Keep(ctx context.Context, l Lease, o *KeepOptions) (*Held, error) {
	if ctx == nil {
		return nil, errNoContext()
	}
	return k.keep(context.WithoutCancel(ctx), l, o)
}

// keep is Keep with a parent for the context, whose end ends that context but
// not the keeping.
func (k *Keeper) keep(parent context.Context, l Lease, o *KeepOptions) (*Held, error) {
	if err := k.usable(); err != nil {
		return nil, err
	}
	if !l.measured() || l.ID == "" || l.Token == 0 {
		return nil, Invalid("lease", "not an active lease that a Manager returned")
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	h := &Held{keeper: k, parent: parent, lease: l, place: -1}
	if o != nil {
		h.options = *o
	}
	if !l.Valid() {
		return nil, h.expiry()
	}

	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return nil, closedKeeper()
	}
	now := Clock()
	h.progress.Store(int64(now))
	h.until = now + h.options.MaxLifetime
	h.jitter = k.jitter()
	h.plan(firstRenewal(h.jitter))
	h.due = h.nextDue()
	heap.Push(&k.schedule, h)
	k.byID.add(h)
	if !k.looping {
		k.looping = true
		k.running.Go(k.loop)
	}
	k.nudge(h)
	return h, nil
}

// ReleaseAll releases every lease that is kept, some at a time, and returns
// all errors together: one failure does not keep the others. Each of the
// errors names its lease.
func (k *Keeper) ReleaseAll(ctx context.Context) error {
	if err := k.usable(); err != nil {
		return err
	}
	k.mu.Lock()
	all := append([]*Held(nil), k.schedule...)
	k.mu.Unlock()
	return forEach(k.options.Concurrency, all, func(h *Held) error {
		err := h.Release(ctx)
		if h.phase() == phaseOver { // its holder was told before
			return nil
		}
		return err
	})
}

// Close stops all renewals, and waits for those under way to return. The
// leases are not released ([Keeper.ReleaseAll] does that) but end by
// themselves; their contexts end with [ErrClosed].
func (k *Keeper) Close() {
	if k == nil || k.acquirer == nil {
		return
	}
	k.shut()
	k.running.Wait()
}

// shut is Close without the wait.
func (k *Keeper) shut() {
	k.mu.Lock()
	k.closed = true
	all := append([]*Held(nil), k.schedule...)
	for _, h := range all {
		if h.phase() == phaseOver {
			k.unschedule(h)
		} else {
			k.end(h, phaseDetached, h.closed())
		}
	}
	k.ready = nil
	k.mu.Unlock()
	k.stop()
	for _, h := range all {
		h.tell()
	}
}

// open returns an error for a Keeper that cannot keep anything more.
func (k *Keeper) open() error {
	if err := k.usable(); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return closedKeeper()
	}
	return nil
}

// usable returns an error for a Keeper that did not come from NewKeeper, or
// that has nothing to renew through.
func (k *Keeper) usable() error {
	if k == nil || k.acquirer == nil {
		return Invalid("keeper", "made without an Acquirer")
	}
	return nil
}

func errNoContext() error { return Invalid("ctx", "nil") }

func closedKeeper() error { return fmt.Errorf("lease: keeper %w", ErrClosed) }

// forEach calls f for all items, at most so many at a time, and joins the
// errors.
func forEach[T any](limit int, items []T, f func(T) error) error {
	errs := make([]error, len(items))
	var next int
	var mu sync.Mutex
	var workers sync.WaitGroup
	for range min(limit, len(items)) {
		workers.Go(func() {
			for {
				mu.Lock()
				i := next
				next++
				mu.Unlock()
				if i >= len(items) {
					return
				}
				errs[i] = f(items[i])
			}
		})
	}
	workers.Wait()
	return errors.Join(errs...)
}
