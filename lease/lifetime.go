package lease

import "context"

// Lifetime is what an [Acquirer] may tell of its Close. The Managers of package
// backend do; a [Keeper] makes use of it.
type Lifetime interface {
	// Closing returns a channel that is closed when Close begins.
	Closing() <-chan struct{}

	// Calls returns a context that ends when Close ends the calls that are under
	// way. A call made with a context derived from it costs less.
	Calls() context.Context
}

// Wrapper is an [Acquirer] around another one. Its Lifetime is that of the
// inner one, unless it has its own.
type Wrapper interface {
	Unwrap() Acquirer
}

// LifetimeOf returns the Lifetime of an Acquirer: its own, or that of the
// nearest one it wraps ([Wrapper]); false if none tells.
func LifetimeOf(a Acquirer) (Lifetime, bool) {
	for a != nil {
		if l, ok := a.(Lifetime); ok {
			return l, true
		}
		w, ok := a.(Wrapper)
		if !ok {
			break
		}
		a = w.Unwrap()
	}
	return nil, false
}
