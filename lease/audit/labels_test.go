package audit_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/lease/audit"
)

func TestRelabelled(t *testing.T) {
	relabel := func(s *script, id lease.ID) *lease.Event {
		l := s.open[id]
		l.Labels = map[string]string{"step": "2"}
		return s.add(lease.KindRelabelled, s.now, l)
	}
	for name, c := range map[string]struct {
		run   func(s *script)
		rules []audit.Rule
	}{
		"a lease": {func(s *script) {
			s.grant("1", "a", f)
			relabel(s, "1")
			s.now++
			s.renew("1")
			relabel(s, "1")
			s.end(lease.KindReleased, "1")
		}, nil},
		"after a renewal without a record": {func(s *script) {
			s.grant("1", "a", f)
			s.now++
			s.renewed("1", ttl)
			relabel(s, "1")
			s.end(lease.KindReleased, "1")
		}, nil},
		"what waits": {func(s *script) {
			s.grant("1", "a", f)
			s.queue("2", "b", f)
			relabel(s, "2")
		}, []audit.Rule{audit.Unknown}},
		"what has ended": {func(s *script) {
			s.grant("1", "a", f)
			s.end(lease.KindReleased, "1")
			relabel(s, "1")
		}, []audit.Rule{audit.Ended}},
		"what has expired": {func(s *script) {
			s.grant("1", "a", f)
			s.now += ttl
			relabel(s, "1")
		}, []audit.Rule{audit.Ended}},
		"with another token": {func(s *script) {
			s.grant("1", "a", f)
			relabel(s, "1").Lease.Token++
		}, []audit.Rule{audit.Tokens}},
		"with another expiry": {func(s *script) {
			s.grant("1", "a", f)
			relabel(s, "1").Lease.ExpiresAt = at(ttl + 1)
		}, []audit.Rule{audit.Lifetime}},
		"with fewer renewals": {func(s *script) {
			s.grant("1", "a", f)
			s.renew("1")
			relabel(s, "1").Lease.Renewals = 0
		}, []audit.Rule{audit.Renewals}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript()
			c.run(s)
			var broken []audit.Rule
			for _, v := range s.replay(t, nil).Violations {
				broken = append(broken, v.Rule)
			}
			require.Equal(t, c.rules, broken)
		})
	}
}
