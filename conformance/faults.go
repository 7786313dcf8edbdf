package conformance

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// Fault is a way in which a call of a store goes wrong.
type Fault uint8

// The faults.
const (
	Pass      Fault = iota // none
	Fail                   // the step is not done; the call fails
	DropReply              // the step is done; the call fails all the same
	Delay                  // the step is done late
	Late                   // the step is done at once; the reply comes late
	Stall                  // the step is not done; the call hangs until its context ends
	Cancel                 // the context of the call ends while the step is being done
	Repeat                 // the step is done twice, as by a driver that retries; not SetConfig, which may refuse that
)

// Op names an operation of [backend.Store].
type Op string

// The operations that can go wrong.
const (
	OpAcquire   Op = "acquire"
	OpRenew     Op = "renew"
	OpRelease   Op = "release"
	OpWithdraw  Op = "withdraw"
	OpForce     Op = "force"
	OpSweep     Op = "sweep"
	OpList      Op = "list"
	OpEvents    Op = "events"
	OpStats     Op = "stats"
	OpConfig    Op = "config"
	OpSetConfig Op = "set config"
)

// ErrInjected is what a call that was made to fail returns.
var ErrInjected = errors.New("conformance: injected fault")

// FaultOptions configure [Faults]. The zero value makes nothing go wrong but
// what Next asks for.
type FaultOptions struct {
	Seed   uint64        // of the choice of calls and faults
	Rate   float64       // the part of the calls that go wrong, 0 to 1
	Faults []Fault       // one of these; default: Fail, DropReply, Delay, Repeat
	Ops    []Op          // only these operations; default: all
	Delay  time.Duration // of Delay and Late; default: 10 ms
}

// Faults is a store whose calls go wrong: at random by a seed, or as scripted
// with Next. It is safe for concurrent use. Wrap one handle in it, and hand it
// to [backend.New].
type Faults struct {
	backend.Store

	mu        sync.Mutex
	random    *rand.Rand
	o         FaultOptions
	next      map[Op][]Fault
	calls     map[Op]int
	dropHints bool
}

// NewFaults wraps a store.
func NewFaults(s backend.Store, o FaultOptions) *Faults {
	if o.Faults == nil {
		o.Faults = []Fault{Fail, DropReply, Delay, Repeat}
	}
	if o.Delay == 0 {
		o.Delay = 10 * time.Millisecond
	}
	return &Faults{
		Store: s, o: o, random: rand.New(rand.NewPCG(o.Seed, o.Seed)),
		next: map[Op][]Fault{}, calls: map[Op]int{},
	}
}

// Next scripts what happens to the next calls of an operation, after those
// scripted before.
func (f *Faults) Next(op Op, faults ...Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next[op] = append(f.next[op], faults...)
}

// SetRate changes the part of the calls that go wrong from now on.
func (f *Faults) SetRate(rate float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.o.Rate = rate
}

// DropHints says whether wake-up hints get lost, those of subscriptions made
// from now on.
func (f *Faults) DropHints(drop bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dropHints = drop
}

// Calls returns how often an operation was called.
func (f *Faults) Calls(op Op) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[op]
}

// choose counts a call and decides what happens to it.
func (f *Faults) choose(op Op) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[op]++
	if scripted := f.next[op]; len(scripted) > 0 {
		f.next[op] = scripted[1:]
		return scripted[0]
	}
	if f.o.Rate == 0 || f.o.Ops != nil && !slices.Contains(f.o.Ops, op) || f.random.Float64() >= f.o.Rate {
		return Pass
	}
	return f.o.Faults[f.random.IntN(len(f.o.Faults))]
}

// inject makes one call, with what goes wrong with it.
func inject[T any](ctx context.Context, f *Faults, op Op, call func(context.Context) (T, error)) (T, error) {
	var none T
	switch f.choose(op) {
	case Fail:
		return none, fmt.Errorf("%w: %s was not done", ErrInjected, op)
	case DropReply:
		if _, err := call(ctx); err != nil {
			return none, err
		}
		return none, fmt.Errorf("%w: the reply to %s was lost", ErrInjected, op)
	case Delay:
		if err := pause(ctx, f.o.Delay); err != nil {
			return none, err
		}
	case Late:
		reply, err := call(ctx)
		if late := pause(ctx, f.o.Delay); late != nil {
			return none, late
		}
		return reply, err
	case Stall:
		<-ctx.Done()
		return none, ctx.Err()
	case Cancel:
		ctx, cancel := context.WithCancel(ctx)
		go cancel()
		return call(ctx)
	case Repeat:
		if op != OpSetConfig {
			if reply, err := call(ctx); err != nil {
				return reply, err
			}
		}
	}
	return call(ctx)
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Acquire implements [backend.Store].
func (f *Faults) Acquire(ctx context.Context, a backend.AcquireArgs) (backend.AcquireReply, error) {
	return inject(ctx, f, OpAcquire, func(ctx context.Context) (backend.AcquireReply, error) { return f.Store.Acquire(ctx, a) })
}

// Renew implements [backend.Store].
func (f *Faults) Renew(ctx context.Context, a backend.RenewArgs) (backend.RenewReply, error) {
	return inject(ctx, f, OpRenew, func(ctx context.Context) (backend.RenewReply, error) { return f.Store.Renew(ctx, a) })
}

// Release implements [backend.Store].
func (f *Faults) Release(ctx context.Context, a backend.ReleaseArgs) (backend.ReleaseReply, error) {
	return inject(ctx, f, OpRelease, func(ctx context.Context) (backend.ReleaseReply, error) { return f.Store.Release(ctx, a) })
}

// Withdraw implements [backend.Store].
func (f *Faults) Withdraw(ctx context.Context, a backend.WithdrawArgs) (backend.WithdrawReply, error) {
	return inject(ctx, f, OpWithdraw, func(ctx context.Context) (backend.WithdrawReply, error) { return f.Store.Withdraw(ctx, a) })
}

// Force implements [backend.Store].
func (f *Faults) Force(ctx context.Context, a backend.ForceArgs) (backend.ForceReply, error) {
	return inject(ctx, f, OpForce, func(ctx context.Context) (backend.ForceReply, error) { return f.Store.Force(ctx, a) })
}

// Sweep implements [backend.Store].
func (f *Faults) Sweep(ctx context.Context, limit int) (backend.SweepReply, error) {
	return inject(ctx, f, OpSweep, func(ctx context.Context) (backend.SweepReply, error) { return f.Store.Sweep(ctx, limit) })
}

// List implements [backend.Store].
func (f *Faults) List(ctx context.Context, q lease.Query, cursor string) (backend.ListReply, error) {
	return inject(ctx, f, OpList, func(ctx context.Context) (backend.ListReply, error) { return f.Store.List(ctx, q, cursor) })
}

// Events implements [backend.Store].
func (f *Faults) Events(ctx context.Context, a backend.EventsArgs) (backend.EventsReply, error) {
	return inject(ctx, f, OpEvents, func(ctx context.Context) (backend.EventsReply, error) { return f.Store.Events(ctx, a) })
}

// Stats implements [backend.Store].
func (f *Faults) Stats(ctx context.Context) (lease.Stats, error) {
	return inject(ctx, f, OpStats, f.Store.Stats)
}

// Config implements [backend.Store].
func (f *Faults) Config(ctx context.Context) (backend.ConfigReply, error) {
	return inject(ctx, f, OpConfig, f.Store.Config)
}

// SetConfig implements [backend.Store].
func (f *Faults) SetConfig(ctx context.Context, c lease.Config) (lease.Config, error) {
	return inject(ctx, f, OpSetConfig, func(ctx context.Context) (lease.Config, error) { return f.Store.SetConfig(ctx, c) })
}

// Subscribe implements [backend.Store].
func (f *Faults) Subscribe(id lease.ID) (hint <-chan struct{}, stop func()) {
	f.mu.Lock()
	drop := f.dropHints
	f.mu.Unlock()
	hint, stop = f.Store.Subscribe(id)
	if drop {
		return make(chan struct{}), stop
	}
	return hint, stop
}
