package hook

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/hosts"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/open"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/shellwrites"
	"github.com/leasekit/leasekit/lease"
)

// before handles the moment before a tool runs: it claims what the tool will
// write, or refuses.
func (c *caller) before(ctx context.Context, l open.Location) (hosts.Answer, error) {
	targets, mode, unknown := c.targets()
	places, err := c.places(targets, mode)
	if err != nil {
		return hosts.Answer{}, err
	}
	if n := most(places); n > lease.MaxClaims {
		return hosts.Refusal(c.call.Host, fmt.Sprintf(
			"leasekit: this call writes %d files, and one call may claim %d. Split it into smaller calls.", n, lease.MaxClaims)), nil
	}
	if unknown && len(places) == 0 {
		c.note(c.update(l, func(s *state) { s.start(c.callKey(), started{At: time.Now().Round(0)}) }))
	}
	var done []*claimed
	for _, p := range places {
		one, refusal, err := c.claim(ctx, p)
		if err != nil || refusal != "" {
			c.undo(ctx, done)
			if err != nil {
				return hosts.Answer{}, err
			}
			return hosts.Refusal(c.call.Host, refusal), nil
		}
		done = append(done, one)
	}
	for _, one := range done {
		text, err := c.changedUnderYou(ctx, one)
		c.note(err)
		if text != "" {
			return hosts.Refusal(c.call.Host, text), nil
		}
	}
	if len(done) == 0 {
		c.note(c.renewDue(ctx, l))
	}
	return c.pass(), nil
}

// targets returns what the call writes or, if reads are configured to be
// claimed, reads. It reports whether the tool may also write what is not known.
func (c *caller) targets() (all []target, mode lease.Mode, unknown bool) {
	switch c.call.Kind {
	case hosts.Write:
		for _, name := range c.call.Files {
			all = append(all, target{name: name})
		}
	case hosts.Read:
		if c.settings.Reads == readsShared {
			for _, name := range c.call.Files {
				all = append(all, target{name: name})
			}
		}
		return all, lease.Shared, false
	case hosts.Shell:
		r := shellwrites.Find(c.call.Command, shellwrites.Options{Dir: c.dir, Home: c.env.Getenv("HOME")})
		for _, w := range r.Writes {
			git := strings.HasSuffix(w.Name, "/"+shellwrites.GitIndex) || strings.HasSuffix(w.Name, "/"+shellwrites.GitHead)
			all = append(all, target{name: w.Name, tree: w.Tree, brief: w.Tree || git})
		}
		unknown = len(r.Unknown) > 0
	}
	return all, lease.Exclusive, unknown
}

func most(places []*place) int {
	n := 0
	for _, p := range places {
		n = max(n, len(p.claims))
	}
	return n
}

func pathsOf(places []*place) []string {
	var out []string
	for _, p := range places {
		for path := range p.files {
			out = append(out, path)
		}
	}
	return out
}

// claimed is what a call has got from one store.
type claimed struct {
	place *place
	store *open.Store
	lease lease.Lease
	state state // as it was before
}

// claim acquires a place's claims as one lease, all or none. It returns a
// refusal in words if somebody else is in the way.
func (c *caller) claim(ctx context.Context, p *place) (*claimed, string, error) {
	s := c.state(p.location)
	store, err := c.open(ctx, p.location)
	if err != nil {
		return nil, "", err
	}
	c.dropBrief(ctx, p.location, s)
	request := c.request(p, s)
	if request.Parent.ID != "" {
		c.note(c.renewDueWith(ctx, store, p.location, s, "")) // it lasts no longer than its parent
	}
	l, err := c.acquire(ctx, store, request)
	if conflict, ok := isConflict(err); ok {
		if c.covered(conflict, p.claims) {
			if conflict.Position > 0 {
				c.note(store.Release(ctx, lease.Ref{ID: conflict.ID, Holder: conflict.Holder}))
			}
			return &claimed{place: p, store: store, state: s}, "", nil
		}
		return nil, c.refusal(ctx, store, p, conflict), nil
	}
	if err != nil {
		return nil, "", err
	}
	if l.Remaining() < c.settings.TTL/2 {
		renewed, err := store.Renew(ctx, l.Ref(), c.settings.TTL)
		switch {
		case err == nil:
			l = renewed
		case !errors.Is(err, lease.ErrLost) || l.Parent == "":
			return nil, "", err
		default: // its parent has ended; what is left of it is enough for this call
		}
	}
	one := &claimed{place: p, store: store, lease: l, state: s}
	c.note(c.update(p.location, func(s *state) {
		s.keep(c.heldOf(one))
		s.start(c.callKey(), started{At: time.Now().Round(0), Paths: pathsOf([]*place{p})})
	}))
	c.note(c.renewDueWith(ctx, store, p.location, s, l.ID))
	return one, "", nil
}

func (c *caller) heldOf(one *claimed) held {
	h := held{
		Ref: one.lease.Ref(), Claims: one.lease.Claims, Call: c.callKey(), Background: c.call.Background,
		Expires: time.Now().Round(0).Add(one.lease.Remaining()),
	}
	for _, claim := range one.lease.Claims {
		h.Brief = h.Brief || one.place.brief[claim.Path]
	}
	return h
}

// request is what a call asks for. Its ID follows from who asks for what in
// which turn: two hooks of one call, or a call that is repeated, are one
// request, and a place in line is found again.
func (c *caller) request(p *place, s state) lease.Request {
	r := lease.Request{
		Holder: c.call.Holder(), Claims: p.claims, TTL: c.settings.TTL, MaxRenewals: lease.Unlimited,
		Labels: c.labels(p.location, s),
	}
	if c.call.Agent != "" {
		r.Parent = s.parent(c.session(), p.claims)
	}
	sum := sha256.New()
	_, _ = fmt.Fprintf(sum, "%q %q %d", r.Holder, r.Parent.ID, s.Epoch)
	if c.settings.Hold == HoldWrite {
		_, _ = fmt.Fprintf(sum, " %q", c.callKey())
	}
	for _, claim := range p.claims {
		_, _ = fmt.Fprintf(sum, " %q %d %d", claim.Path, claim.Mode, claim.Scope)
	}
	r.ID = lease.ID("hook-" + hex.EncodeToString(sum.Sum(nil)[:16]))
	return r
}

// parent returns the session's own lease that covers all claims: a sub-agent
// writes under its cover, and keeps its siblings out. It is zero if there is
// none.
func (s state) parent(session string, claims []lease.Claim) lease.Ref {
	for _, h := range s.Held {
		if h.Ref.Holder == session && !h.Brief && covers(h.Claims, claims) {
			return h.Ref
		}
	}
	return lease.Ref{}
}

// covers reports whether each of the claims lies within one of the others.
func covers(over, claims []lease.Claim) bool {
	for _, claim := range claims {
		within := func(o lease.Claim) bool {
			return lease.Covers(o, claim.Path) && (o.Scope == lease.Tree || claim.Scope == lease.Exact) && (o.Mode == lease.Exclusive || claim.Mode == lease.Shared)
		}
		if !slices.ContainsFunc(over, within) {
			return false
		}
	}
	return true
}

// callKey names a use of a tool between its two events.
func (c *caller) callKey() string {
	if c.call.ToolCall != "" {
		return c.call.ToolCall
	}
	sum := sha256.Sum256([]byte(fmt.Sprintf("%q %q %q %q", c.call.Agent, c.call.Tool, c.call.Command, c.call.Files)))
	return hex.EncodeToString(sum[:8])
}

// covered reports whether it is the session's own leases that are in the way of
// its sub-agent, though its note of them is lost: the session holds the files
// against everybody else, who can but wait for them, and has given its agent the
// work. What another of its agents holds is in the way all the same.
func (c *caller) covered(conflict *lease.ConflictError, claims []lease.Claim) bool {
	if c.call.Agent == "" || conflict.Count > len(conflict.Blockers) {
		return false
	}
	var own []lease.Claim
	for _, b := range conflict.Blockers {
		switch {
		case b.Waiting:
		case b.Holder != c.session():
			return false
		default:
			own = append(own, b.Claims...)
		}
	}
	return covers(own, claims)
}

// undo gives back what one call has got from some stores, since another store
// refused. What it held before goes too: the next call claims it again.
func (c *caller) undo(ctx context.Context, done []*claimed) {
	for _, one := range done {
		if one.lease.ID == "" {
			continue
		}
		c.note(one.store.Release(ctx, one.lease.Ref()))
		c.note(c.update(one.place.location, func(s *state) {
			s.drop(one.lease.ID)
			s.Epoch++
		}))
	}
}
