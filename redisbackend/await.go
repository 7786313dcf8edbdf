package redisbackend

import (
	"context"
	"errors"
	"fmt"
)

var (
	// errNotSent: the call ended before the server could see it. It has certainly changed nothing.
	errNotSent = errors.New("not sent")
	// errUnknown: the call was sent, or may have been, and brought no answer. It may have been carried out, once or
	// several times, and may still be.
	errUnknown = errors.New("outcome unknown")
)

// await runs call and returns its result or, as soon as ctx ends, errUnknown with ctx's error. The call then goes on
// by itself and its result is dropped. go-redis ignores the end of a context while it reads a reply, and whether it
// heeds the deadline is for the owner of the client to choose; so the wait is here.
//
// The context that call is given has the values of ctx and ends when await returns.
func await[T any](ctx context.Context, call func(context.Context) (T, error)) (T, error) {
	if ctx.Done() == nil {
		return call(ctx)
	}
	var zero T
	if err := ctx.Err(); err != nil {
		return zero, fmt.Errorf("%w: %w", errNotSent, err)
	}
	type result struct {
		value T
		err   error
	}
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	results := make(chan result, 1)
	go func() {
		value, err := call(own)
		results <- result{value, err}
	}()
	select {
	case r := <-results:
		return r.value, r.err
	case <-ctx.Done():
		return zero, fmt.Errorf("%w: %w", errUnknown, ctx.Err())
	}
}
