package backend

import (
	"context"
	"sync"
	"time"
)

// lazyContext ends with end, and at until or, if that is zero, with its values'
// context. The context that does so is made when somebody first waits for the end, or
// asks after it has come: a store that answers at once pays nothing.
type lazyContext struct {
	values context.Context
	end    context.Context
	until  time.Time

	mu     sync.Mutex
	made   context.Context
	cancel func()
	over   bool // stop was called
}

// stop releases what was made. It is called once nobody needs the context.
func (c *lazyContext) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	if c.cancel != nil {
		c.cancel()
	}
}

// make returns the context.
func (c *lazyContext) make() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.made == nil {
		if c.until.IsZero() {
			c.made, c.cancel = either(c.values, c.end)
		} else {
			bounded, cancel := context.WithDeadline(c.end, c.until)
			c.made, c.cancel = valued{bounded, context.WithoutCancel(c.values)}, cancel
		}
		if c.over {
			c.cancel()
		}
	}
	return c.made
}

// known returns the context if it was made, or has ended; else nil.
func (c *lazyContext) known() context.Context {
	c.mu.Lock()
	made, over := c.made, c.over
	c.mu.Unlock()
	if made == nil && (over || c.end.Err() != nil ||
		c.until.IsZero() && c.values.Err() != nil || !c.until.IsZero() && !time.Now().Before(c.until)) {
		return c.make()
	}
	return made
}

// Deadline implements [context.Context].
func (c *lazyContext) Deadline() (time.Time, bool) {
	if c.until.IsZero() {
		return c.values.Deadline()
	}
	if at, ok := c.end.Deadline(); ok && at.Before(c.until) {
		return at, true
	}
	return c.until, true
}

// Done implements [context.Context].
func (c *lazyContext) Done() <-chan struct{} { return c.make().Done() }

// Err implements [context.Context].
func (c *lazyContext) Err() error {
	if known := c.known(); known != nil {
		return known.Err()
	}
	return nil
}

// Value implements [context.Context]. It is by a value, too, that package context
// finds the cause of an end.
func (c *lazyContext) Value(key any) any {
	if known := c.known(); known != nil {
		return known.Value(key)
	}
	if c.until.IsZero() {
		return c.values.Value(key)
	}
	return context.WithoutCancel(c.values).Value(key)
}
