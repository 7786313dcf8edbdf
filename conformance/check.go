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

// endsAgree requires that what is remembered of each lease and waiter that has ended
// is what the history says of its end.
func (h *harness) endsAgree(m lease.Inspector) {
	h.Helper()
	listed := collect(h, m.List(h.Context(), lease.Query{Status: []lease.Status{lease.Expired, lease.Released, lease.Failed}}))
	if len(listed) == 0 {
		return
	}
	last := map[lease.ID]lease.Lease{}
	for e, err := range m.History(h.Context(), lease.Query{All: true}) {
		require.NoError(h, err)
		last[e.Lease.ID] = e.Lease
	}
	for _, l := range listed {
		if told := last[l.ID]; told.Status.Ended() && told.CreatedAt.Equal(l.CreatedAt) { // else its end is not recorded
			h.sameLease(told, l)
		}
	}
}
