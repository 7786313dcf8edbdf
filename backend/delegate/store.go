package delegate

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/lease"
)

// store is a store in memory under a lease of another one.
type store struct {
	*memory.Store
	*parent
}

// parent is the lease under which it all lies.
type parent struct {
	held   *lease.Held
	ref    lease.Ref
	ctx    context.Context // held's
	tokens *tokens
	handle *memory.Store // any, to end what is granted

	// The clock: began by lease.Clock is start.
	began time.Duration
	start time.Time
	until atomic.Int64 // when the parent ends, by this clock, ms
	cover rules.Cover  // of the step under way; guarded by the namespace

	renewed atomic.Pointer[time.Time] // the parent's ExpiresAt of which until is

	over    atomic.Pointer[error] // why nothing is granted any more; nil while it is
	handles atomic.Int32          // that are open
	stop    func() bool           // stops waiting for the end of ctx
}

func newStore(ctx context.Context, a lease.Acquirer, held *lease.Held, o *Options) (*store, error) {
	config, block, err := o.check()
	if err != nil {
		return nil, err
	}
	if err := held.Err(); err != nil {
		return nil, err
	}
	l := held.Lease()
	p := &parent{
		held: held, ref: l.Ref(), ctx: held.Context(), tokens: newTokens(a, l.Ref(), block),
		began: lease.Clock(), start: time.Now(), cover: rules.Cover{Claims: l.Claims},
	}
	p.handles.Store(1)
	if err := p.follow(); err != nil {
		return nil, err
	}
	if err := p.lasts(); err != nil {
		return nil, err
	}
	if err := p.tokens.need(ctx); err != nil {
		return nil, err
	}
	p.handle = memory.NewBounded(memory.Bounds{Load: p.load, Config: config, MaxEnded: maxEnded, MaxEvents: maxEvents})
	p.stop = context.AfterFunc(p.ctx, func() { _ = p.end(p.reason()) })
	return &store{p.handle, p}, nil
}

// another returns another handle.
func (s *store) another() *store {
	s.handles.Add(1)
	return &store{s.Another(), s.parent}
}

// load is memory.Bounds.Load.
func (p *parent) load(c *rules.Counters) (clock time.Time, cover *rules.Cover) {
	clock = p.at(lease.Clock())
	p.cover.Until, p.cover.Token = p.until.Load(), 0
	if clock.UnixMilli() < p.cover.Until { // else a lease would be over at once
		p.cover.Token = p.tokens.next(c)
	}
	return clock, &p.cover
}

// at returns a reading of lease.Clock by the store's clock.
func (p *parent) at(reading time.Duration) time.Time { return p.start.Add(reading - p.began) }

// follow takes in how long the parent lasts, or says why nothing is granted any
// more.
func (p *parent) follow() error {
	if err := p.over.Load(); err != nil {
		return *err
	}
	if p.ctx.Err() != nil {
		return p.end(p.reason())
	}
	l := p.held.Lease()
	if l.ID != p.ref.ID {
		return p.end(&lease.LostError{Op: "delegate", Ref: p.ref, Err: lease.ErrReplaced, Successor: l.ID})
	}
	if r := p.renewed.Load(); r == nil || !r.Equal(l.ExpiresAt) {
		p.until.Store(p.at(lease.Clock() + l.Remaining()).UnixMilli())
		at := l.ExpiresAt
		p.renewed.Store(&at)
	}
	return nil
}

// lasts says so where the parent's time is over.
func (p *parent) lasts() error {
	if p.at(lease.Clock()).UnixMilli() >= p.until.Load() {
		return p.end(&lease.LostError{Op: "delegate", Ref: p.ref, Err: lease.ErrExpired})
	}
	return nil
}

// reason says why ctx has ended.
func (p *parent) reason() error {
	if err := p.held.Err(); err != nil {
		return err
	}
	return fmt.Errorf("lease: delegate of %q: %w: %w", p.ref.ID, lease.ErrClosed, context.Cause(p.ctx))
}

// end ends it all, once, and returns the error with which that was done: it revokes
// what is granted, and what waits, which is told to ask again.
func (p *parent) end(why error) error {
	if !p.over.CompareAndSwap(nil, &why) {
		return *p.over.Load()
	}
	if p.handle == nil {
		return why
	}
	args := backend.ForceArgs{
		Query:      lease.Query{All: true},
		Revocation: lease.Revocation{Actor: p.ref.Holder, Reason: fmt.Sprintf("the lease above, %q, is over", p.ref.ID)},
	}
	for {
		args.Op = string(lease.NewID())
		reply, err := p.handle.Force(context.Background(), args)
		if err != nil || reply.Outcome != backend.Again {
			break
		}
		args.Again = true
	}
	return why
}

// Acquire implements [backend.Store].
func (s *store) Acquire(ctx context.Context, a backend.AcquireArgs) (backend.AcquireReply, error) {
	if a.Request.Parent == s.ref { // it all lies under that
		a.Request.Parent = lease.Ref{}
	}
	for {
		if err := s.follow(); err != nil {
			return backend.AcquireReply{}, err
		}
		reply, err := s.Store.Acquire(ctx, a)
		if over := s.over.Load(); over != nil { // meanwhile
			return backend.AcquireReply{}, *over
		}
		if err != nil || reply.Outcome != backend.Again {
			return reply, err
		}
		if err := s.lasts(); err != nil {
			return reply, err
		}
		if err := s.need(ctx); err != nil { // it was for want of a token, or is there now
			return reply, err
		}
	}
}

// need returns when there are tokens.
func (s *store) need(ctx context.Context) error {
	err := s.tokens.need(ctx)
	if errors.Is(err, lease.ErrLost) {
		return s.end(err)
	}
	return err
}

// Renew implements [backend.Store].
func (s *store) Renew(ctx context.Context, a backend.RenewArgs) (backend.RenewReply, error) {
	if err := s.follow(); err != nil {
		return backend.RenewReply{}, err
	}
	reply, err := s.Store.Renew(ctx, a)
	if over := s.over.Load(); over != nil { // meanwhile
		return backend.RenewReply{}, *over
	}
	if a.Reserve > 0 && err == nil && reply.Outcome == backend.Done {
		reply.Tokens, err = s.tokens.pass(ctx, a.Reserve)
	}
	return reply, err
}

// Close implements [backend.Store].
func (s *store) Close() error {
	err := s.Store.Close()
	if s.handles.Add(-1) == 0 {
		s.stop()
		s.tokens.close()
	}
	return err
}
