package audit_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/lease/audit"
)

func TestPartial(t *testing.T) {
	s := newScript()
	s.now = 5
	s.open["1"] = lease.Lease{ID: "1", Holder: "a", Claims: []lease.Claim{f}, Token: 7, ExpiresAt: at(9)}
	s.open["2"] = lease.Lease{ID: "2", Holder: "b", Claims: []lease.Claim{g}, ExpiresAt: at(9)}
	s.open["3"] = lease.Lease{ID: "3", Holder: "c", Claims: []lease.Claim{g}, CreatedAt: at(1)}
	s.token = 7
	s.renew("1")
	s.end(lease.KindWithdrawn, "2")
	s.grant("3", "c")
	s.grant("4", "b", f)
	report := s.replay(t, &audit.Options{Partial: true})
	require.Len(t, report.Violations, 1, "what it says of earlier requests counts from then on")
	require.True(t, report.Broke(audit.Overlap))
	require.Equal(t, 3, report.Summary.MostActive)

	require.True(t, s.replay(t, nil).Broke(audit.Unknown))
}

func TestConfigDecidesPriority(t *testing.T) {
	s := newScript()
	s.queue("1", "b", f)
	s.now = 5
	s.queue("2", "c", f).Lease.Priority = 1
	e := s.grant("2", "c")
	e.Lease.Priority = 1
	require.NoError(t, s.replay(t, nil).Err())
	config := lease.DefaultConfig()
	config.PriorityBoost = time.Second
	o := &audit.Options{Config: &config}
	require.True(t, s.replay(t, o).Broke(audit.Order))

	s.add(lease.KindConfig, 6, lease.Lease{})
	require.NoError(t, s.replay(t, o).Err(), "what a priority was worth before is not known")
	s.now = 7
	s.queue("3", "d", f)
	s.now = 9
	s.queue("4", "e", f).Lease.Priority = 1
	s.events[3].At = at(6)
	s.end(lease.KindReleased, "2")
	s.grant("4", "e")
	report := s.replay(t, o)
	require.Len(t, report.Violations, 2, "the plain ones before it are judged as ever")
	require.Equal(t, lease.Seq(1), report.Violations[0].Other)
	require.Equal(t, lease.Seq(5), report.Violations[1].Other)
}

func TestReplayKeepsTheError(t *testing.T) {
	broken := errors.New("broken")
	report, err := audit.Replay(func(yield func(lease.Event, error) bool) {
		s := newScript()
		s.grant("1", "a", f)
		_ = yield(s.events[0], nil) && yield(lease.Event{}, broken)
	}, nil)
	require.ErrorIs(t, err, broken)
	require.Equal(t, 1, report.Summary.Events)
}

func TestSummary(t *testing.T) {
	s := newScript()
	s.grant("1", "a", f)
	s.now = 2
	s.queue("2", "b", f)
	s.queue("3", "c", f)
	s.now = 12
	s.end(lease.KindExpired, "1")
	s.end(lease.KindLapsed, "3")
	s.grant("2", "b")
	s.now = 13
	s.end(lease.KindReleased, "2")
	s.grant("4", "a", f)
	report := s.replay(t, nil)
	require.NoError(t, report.Err())
	sum := report.Summary
	require.Equal(t, 8, sum.Events)
	require.Equal(t, map[string]int{"a": 2, "b": 1}, sum.Grants)
	require.Equal(t, 2, sum.Holders)
	require.Equal(t, 1, sum.Waited)
	require.Equal(t, 1, sum.TakeOvers)
	require.Equal(t, 2, sum.MostWaiting)
	require.Equal(t, 1, sum.MostActive)
	require.Equal(t, 10*time.Second, sum.WaitMax)
	require.Equal(t, []time.Duration{time.Second, 10 * time.Second}, []time.Duration{sum.HoldP50, sum.HoldMax})
	require.Equal(t, 1, sum.Kinds[lease.KindLapsed])
	require.Contains(t, sum.String(), "1 released 1 expired 1 lapsed")
}
