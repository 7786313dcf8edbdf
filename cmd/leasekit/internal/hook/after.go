package hook

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/hosts"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/open"
	"github.com/leasekit/leasekit/lease"
)

// after handles the moment after a tool has run: it remembers what the files
// look like now, gives back what was needed for the call alone, and tells of
// files of others that changed meanwhile.
func (c *caller) after(ctx context.Context, l open.Location) (hosts.Answer, error) {
	targets, mode, unknown := c.targets()
	if c.call.Kind == hosts.Read && len(targets) == 0 {
		for _, name := range c.call.Files {
			targets = append(targets, target{name: name})
		}
	}
	places, err := c.places(targets, mode)
	if err != nil {
		return hosts.Answer{}, err
	}
	key := c.callKey()
	before := c.state(l)
	for _, p := range places {
		prints := make(map[string]fingerprint)
		for path, name := range p.files {
			prints[path] = fingerprintOf(name)
		}
		c.note(c.update(p.location, func(s *state) {
			for path, now := range prints {
				s.see(path, now)
			}
			delete(s.Calls, key)
		}))
		c.note(c.giveBack(ctx, p.location, key))
	}
	if _, ok := before.Calls[key]; ok && len(places) == 0 {
		c.note(c.update(l, func(s *state) { delete(s.Calls, key) }))
	}
	c.note(c.renewDue(ctx, l))
	if start, ok := before.Calls[key]; ok && c.call.Kind == hosts.Shell && unknown && !c.call.Background {
		text, err := c.changedBehindBack(ctx, l, start, places)
		c.note(err)
		if text != "" {
			return hosts.Notice(c.call.Host, text), nil
		}
	}
	return c.pass(), nil
}

// giveBack releases what a call held for itself alone.
func (c *caller) giveBack(ctx context.Context, l open.Location, key string) error {
	s := c.state(l)
	var errs []error
	for _, h := range s.Held {
		if h.Call != key || h.Background || h.Ref.Holder != c.call.Holder() {
			continue
		}
		if c.settings.Hold == HoldWrite || h.Brief {
			errs = append(errs, c.shrink(ctx, l, h))
		}
	}
	return errors.Join(errs...)
}

// dropBrief releases what earlier calls of the same holder have left behind:
// a host does not tell of every tool's end, and runs one after the other.
func (c *caller) dropBrief(ctx context.Context, l open.Location, s state) {
	if c.call.Host == hosts.OpenCode || c.call.Host == hosts.VSCode || c.call.Host == hosts.Cursor {
		return // calls of one turn overlap
	}
	for _, h := range s.Held {
		if h.Brief && !h.Background && h.Ref.Holder == c.call.Holder() && h.Call != c.callKey() {
			c.note(c.shrink(ctx, l, h))
		}
	}
}

// shrink gives back the part of a lease that was needed for its call alone, or
// all of it.
func (c *caller) shrink(ctx context.Context, l open.Location, h held) error {
	store, err := c.open(ctx, l)
	if err != nil {
		return err
	}
	keep := c.lasting(h)
	if len(keep) == 0 {
		err = store.Release(ctx, h.Ref)
		if errors.Is(err, lease.ErrLost) {
			err = nil
		}
		return errors.Join(err, c.update(l, func(s *state) { s.drop(h.Ref.ID); s.Epoch++ }))
	}
	smaller, err := store.TryAcquire(ctx, lease.Request{
		Holder: h.Ref.Holder, Claims: keep, TTL: c.settings.TTL, MaxRenewals: lease.Unlimited, Replace: h.Ref,
		Labels: c.labels(l, c.state(l)),
	})
	if errors.Is(err, lease.ErrLost) {
		return c.update(l, func(s *state) { s.drop(h.Ref.ID); s.Epoch++ })
	}
	if err != nil {
		return err
	}
	return c.update(l, func(s *state) {
		s.drop(h.Ref.ID)
		s.Epoch++
		s.keep(held{Ref: smaller.Ref(), Claims: smaller.Claims, Call: h.Call, Expires: time.Now().Round(0).Add(smaller.Remaining())})
	})
}

// lasting returns the claims that stay when a call is over: files, for as long
// as the settings say.
func (c *caller) lasting(h held) []lease.Claim {
	var keep []lease.Claim
	for _, claim := range h.Claims {
		if c.settings.Hold != HoldWrite && claim.Scope == lease.Exact && !isGitPath(claim.Path) {
			keep = append(keep, claim)
		}
	}
	return keep
}

// finish handles the end of a turn, of a sub-agent or of a session: it releases
// what that one held.
func (c *caller) finish(ctx context.Context, l open.Location) error {
	if c.call.Event == hosts.TurnEnd && c.settings.Hold == HoldSession {
		return nil
	}
	s := c.state(l)
	holders := []string{c.call.Holder()}
	if c.call.Event == hosts.SessionEnd {
		for _, h := range s.Held {
			holders = append(holders, h.Ref.Holder)
		}
	}
	store, err := c.open(ctx, l)
	if err != nil {
		return err
	}
	var errs []error
	released := make(map[lease.ID]bool)
	for _, holder := range holders {
		errs = append(errs, c.releaseAll(ctx, store, holder, s, released))
	}
	if c.call.Event == hosts.SessionEnd {
		return errors.Join(append(errs, removeState(c.stateFile(l)))...)
	}
	return errors.Join(append(errs, c.update(l, func(s *state) {
		for id := range released {
			s.drop(id)
		}
		s.Epoch++
	}))...)
}

// releaseAll releases a holder's leases, and gives up its places in line, as
// far as a hook has asked for them. A command that goes on in the background
// keeps what it writes until it ends by its TTL, or the session does.
func (c *caller) releaseAll(ctx context.Context, store *open.Store, holder string, s state, released map[lease.ID]bool) error {
	background := make(map[lease.ID]bool)
	for _, h := range s.Held {
		background[h.Ref.ID] = h.Background && c.call.Event != hosts.SessionEnd
	}
	var all []lease.Lease
	for one, err := range store.List(ctx, lease.Query{Holder: holder}) {
		if err != nil {
			return err
		}
		if one.Labels[labelBy] == byHook && !background[one.ID] && !released[one.ID] {
			released[one.ID] = true
			all = append(all, one)
		}
	}
	return each(all, func(one lease.Lease) error {
		err := store.Release(ctx, one.Ref())
		if errors.Is(err, lease.ErrLost) {
			return nil
		}
		return err
	})
}

// renewDue renews what the session holds and has not renewed for a while.
func (c *caller) renewDue(ctx context.Context, l open.Location) error {
	s := c.state(l)
	if len(c.due(s, "")) == 0 {
		return nil
	}
	store, err := c.open(ctx, l)
	if err != nil {
		return err
	}
	return c.renewDueWith(ctx, store, l, s, "")
}

func (c *caller) due(s state, except lease.ID) []held {
	var due []held
	for _, h := range s.Held {
		if left := time.Until(h.Expires); h.Ref.ID != except && left > 0 && left < c.settings.TTL/2 {
			due = append(due, h)
		}
	}
	return due
}

func (c *caller) renewDueWith(ctx context.Context, store *open.Store, l open.Location, s state, except lease.ID) error {
	due := c.due(s, except)
	if len(due) == 0 {
		return nil
	}
	var mutex sync.Mutex
	expires := make(map[lease.ID]time.Time)
	err := each(due, func(h held) error {
		renewed, err := store.Renew(ctx, h.Ref, c.settings.TTL)
		mutex.Lock()
		defer mutex.Unlock()
		switch {
		case err == nil:
			expires[h.Ref.ID] = time.Now().Round(0).Add(renewed.Remaining())
		case errors.Is(err, lease.ErrLost):
			expires[h.Ref.ID] = time.Time{}
			err = nil // the next write asks for it again
		}
		return err
	})
	return errors.Join(err, c.update(l, func(s *state) {
		for i, h := range s.Held {
			if at, ok := expires[h.Ref.ID]; ok {
				s.Held[i].Expires = at
			}
		}
	}))
}

// each calls do for all elements, several at a time, so that a store can put
// them into one transaction. It returns what went wrong.
func each[E any](all []E, do func(E) error) error {
	errs := make([]error, len(all))
	var group sync.WaitGroup
	limit := make(chan struct{}, 16)
	for i, one := range all {
		limit <- struct{}{}
		group.Go(func() {
			defer func() { <-limit }()
			errs[i] = do(one)
		})
	}
	group.Wait()
	return errors.Join(errs...)
}
