// Package top is a live view of a namespace in a terminal: the paths most fought
// for, the longest waits, who holds.
package top

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/waits"
	"github.com/leasekit/leasekit/lease"
)

const (
	window     = 5 * time.Minute        // how far back a path counts as hot
	maxEvents  = 10_000                 // kept for that
	look       = 1000                   // events read at the start
	refresh    = 2 * time.Second        // between two looks, if nothing happens
	leastPause = 200 * time.Millisecond // between two looks, whatever happens
)

// State is what is shown.
type State struct {
	Store    string
	Snapshot waits.Snapshot
	Hot      []Heat // the hottest first
	Err      error  // the store's trouble; what is shown is then old
	At       time.Time
}

// Heat is how much a path is fought for.
type Heat struct {
	Path    string
	Holders int // leases on it
	Waiters int // who wait for it
	Grants  int // of the last minutes
	Queued  int // likewise
}

// follower keeps the state.
type follower struct {
	manager lease.Manager
	store   string

	mu     sync.Mutex
	recent []lease.Event // grants and places in line of the last minutes
}

// Follow sends the state, again after each change, until ctx ends.
func Follow(ctx context.Context, m lease.Manager, store string, send func(State)) {
	f := &follower{manager: m, store: store}
	changed := make(chan struct{}, 1)
	var watching sync.WaitGroup
	defer watching.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watching.Go(func() { f.watch(ctx, changed) })
	for ctx.Err() == nil {
		began := time.Now()
		s := f.read(ctx)
		if ctx.Err() != nil {
			return
		}
		send(s)
		// A store with much in it is not looked at all the time.
		if !pause(ctx, max(leastPause, 4*time.Since(began)), nil) || !pause(ctx, refresh, changed) {
			return
		}
	}
}

// pause waits so long, or for early, and reports whether ctx still lives.
func pause(ctx context.Context, d time.Duration, early <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-early:
	case <-ctx.Done():
		return false
	}
	return true
}

// watch notes what happens.
func (f *follower) watch(ctx context.Context, changed chan<- struct{}) {
	for ctx.Err() == nil {
		stats, err := f.manager.Stats(ctx)
		if err != nil {
			pause(ctx, refresh, nil)
			continue
		}
		after := lease.Seq(0)
		if stats.Head > look {
			after = max(stats.Head-look, stats.Oldest-1)
		} else if stats.Oldest > 0 {
			after = stats.Oldest - 1
		}
		for e, err := range f.manager.Watch(ctx, lease.Query{After: after}) {
			if err != nil {
				break // fell behind: begin again
			}
			f.note(e)
			select {
			case changed <- struct{}{}:
			default:
			}
		}
		pause(ctx, leastPause, nil)
	}
}

func (f *follower) note(e lease.Event) {
	if e.Kind != lease.KindGranted && e.Kind != lease.KindQueued {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.recent = append(f.recent, e)
	if len(f.recent) > maxEvents {
		f.recent = slices.Delete(f.recent, 0, len(f.recent)-maxEvents)
	}
}

// read looks at the store once.
func (f *follower) read(ctx context.Context) State {
	snapshot, err := waits.Take(ctx, f.manager)
	s := State{Store: f.store, Snapshot: snapshot, Err: err, At: time.Now()}
	if err == nil {
		s.Hot = f.hot(snapshot)
	}
	return s
}

// Once reads the state, without what happened before.
func Once(ctx context.Context, m lease.Manager, store string) State {
	return (&follower{manager: m, store: store}).read(ctx)
}

// hot counts what each path has seen, the hottest first.
func (f *follower) hot(s waits.Snapshot) []Heat {
	paths := make(map[string]*Heat)
	at := func(path string) *Heat {
		if paths[path] == nil {
			paths[path] = &Heat{Path: path}
		}
		return paths[path]
	}
	for _, l := range s.Active {
		for _, c := range l.Claims {
			at(c.Path).Holders++
		}
	}
	for _, l := range s.Waiting {
		for _, c := range l.Claims {
			at(c.Path).Waiters++
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.recent {
		if s.Now.Sub(e.At) > window {
			continue
		}
		for _, c := range e.Lease.Claims {
			if e.Kind == lease.KindGranted {
				at(c.Path).Grants++
			} else {
				at(c.Path).Queued++
			}
		}
	}
	var hot []Heat
	for _, h := range paths {
		hot = append(hot, *h)
	}
	slices.SortFunc(hot, func(a, b Heat) int {
		return cmp.Or(
			cmp.Compare(b.Waiters, a.Waiters), cmp.Compare(b.Queued, a.Queued),
			cmp.Compare(b.Grants, a.Grants), cmp.Compare(b.Holders, a.Holders), strings.Compare(a.Path, b.Path),
		)
	})
	return hot
}
