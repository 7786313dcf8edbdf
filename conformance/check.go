package conformance

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/lease/audit"
)

// Check replays the whole history that m tells and fails t for each rule that
// it breaks: conflicting leases that overlapped, tokens that did not rise, the
// queue's order not kept, and the others of package lease/audit. The history
// must have been recorded without a pause; its beginning may be trimmed.
func Check(t testing.TB, m lease.Inspector) {
	t.Helper()
	report := replay(t, m)
	for _, v := range report.Violations {
		t.Error(v)
	}
}

func replay(t testing.TB, m lease.Inspector) audit.Report {
	t.Helper()
	ctx := t.Context()
	stats, err := m.Stats(ctx)
	require.NoError(t, err)
	o := &audit.Options{Partial: stats.Oldest > 1}
	if admin, ok := m.(interface {
		Config(context.Context) (lease.Config, error)
	}); ok {
		config, err := admin.Config(ctx)
		require.NoError(t, err)
		o.Config = &config
	}
	report, err := audit.Replay(m.History(ctx, lease.Query{All: true}), o)
	require.NoError(t, err)
	return report
}
