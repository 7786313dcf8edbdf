package backend

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

type lazyKey struct{}

// A lazyContext is what a context that is made at once would be, whether somebody
// waits for its end or only asks afterwards.
func TestLazyContext(t *testing.T) {
	errEnd, errCaller := errors.New("end"), errors.New("caller")
	for name, c := range map[string]struct {
		bounded bool
		how     func(caller, end context.CancelCauseFunc)
		err     error
		cause   error
	}{
		"Caller":         {false, func(caller, _ context.CancelCauseFunc) { caller(errCaller) }, context.Canceled, errCaller},
		"End":            {false, func(_, end context.CancelCauseFunc) { end(errEnd) }, context.Canceled, errEnd},
		"BoundedCaller":  {true, func(caller, _ context.CancelCauseFunc) { caller(errCaller) }, nil, nil},
		"BoundedEnd":     {true, func(_, end context.CancelCauseFunc) { end(errEnd) }, context.Canceled, errEnd},
		"BoundedByUntil": {true, func(_, _ context.CancelCauseFunc) { time.Sleep(time.Minute) }, context.DeadlineExceeded, context.DeadlineExceeded},
	} {
		for _, waits := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					caller, cancel := context.WithCancelCause(context.WithValue(t.Context(), lazyKey{}, 1))
					defer cancel(nil)
					end, stop := context.WithCancelCause(context.Background())
					defer stop(nil)
					l := &lazyContext{values: caller, end: end}
					if c.bounded {
						l = &lazyContext{values: context.WithoutCancel(caller), end: end, until: time.Now().Add(time.Minute)}
					}
					var child context.Context
					if waits {
						var cancel func()
						child, cancel = context.WithCancel(l)
						defer cancel()
					}
					require.NoError(t, l.Err())
					require.Equal(t, 1, l.Value(lazyKey{}))
					_, limited := l.Deadline()
					require.Equal(t, c.bounded, limited)
					c.how(cancel, stop)
					synctest.Wait()
					require.Equal(t, c.err, l.Err())
					require.Equal(t, c.cause, context.Cause(l))
					require.Equal(t, 1, l.Value(lazyKey{}))
					if waits {
						require.Equal(t, c.err, child.Err())
						require.Equal(t, c.cause, context.Cause(child))
					}
					l.stop()
					<-l.Done()
					require.Error(t, l.Err())
				})
			})
		}
	}
}
