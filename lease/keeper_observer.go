package lease

import (
	"log/slog"
	"runtime/debug"
	"time"
)

// forgiving returns the observer with functions whose panics are logged: nobody
// is there to take them, and the leases of others must be kept. Nil is one that
// is told nothing.
func forgiving(o *KeeperObserver) *KeeperObserver {
	var f KeeperObserver
	if o == nil {
		return &f
	}
	if renewed := o.Renewed; renewed != nil {
		f.Renewed = func(l Lease, took time.Duration) { defer forgive(); renewed(l, took) }
	}
	if retried := o.Retried; retried != nil {
		f.Retried = func(l Lease, err error) { defer forgive(); retried(l, err) }
	}
	if lost := o.Lost; lost != nil {
		f.Lost = func(l Lease, err error) { defer forgive(); lost(l, err) }
	}
	if skipped := o.Skipped; skipped != nil {
		f.Skipped = func(l Lease, since time.Duration) { defer forgive(); skipped(l, since) }
	}
	return &f
}

func forgive() {
	if p := recover(); p != nil { //nolint:revive // forgive is deferred
		slog.Error("lease: a KeeperObserver panicked", slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
	}
}
