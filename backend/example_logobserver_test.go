package backend_test

import (
	"context"
	"log/slog"
	"os"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/lease"
)

// LogObserver logs what an operator needs to know; with the level Debug,
// everything.
func ExampleLogObserver() {
	log := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "id" { // they differ from run to run
				return slog.Attr{}
			}
			return a
		},
	}))
	m := memory.New(&memory.Options{Engine: &backend.Options{Observer: backend.LogObserver(log)}})
	defer m.Close()
	ctx := context.Background()
	l, _ := m.Acquire(ctx, lease.Request{ID: "1", Holder: "agent-7", Claims: lease.Paths("plan.md")})
	_, _ = m.ForceRelease(ctx, lease.Query{Path: "plan.md"}, lease.Revocation{Actor: "ops", Reason: "it hangs"})
	_ = m.Release(ctx, l.Ref())
	// Output:
	// level=WARN msg="lease ended by force" holder=agent-7 claim=plan.md claims=1 actor=ops reason="it hangs"
	// level=WARN msg="lease lost" holder=agent-7 operation=release outcome=revoked error="lease: release \"1\" for agent-7: revoked by ops: it hangs"
}
