package audit_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/lease/audit"
)

func TestSubleases(t *testing.T) {
	under := func(e, parent *lease.Event) *lease.Event {
		e.Lease.Parent = parent.Lease.ID
		return e
	}
	for name, c := range map[string]struct {
		run   func(s *script)
		rules []audit.Rule
	}{
		"inside its parent, and that one's": {func(s *script) {
			parent := s.grant("1", "a", fTree)
			child := under(s.grant("2", "b", fTree), parent)
			under(s.grant("3", "c", fg), child)
		}, nil},
		"siblings clash": {func(s *script) {
			parent := s.grant("1", "a", fTree)
			under(s.grant("2", "b", fg), parent)
			under(s.grant("3", "c", fg), parent)
		}, []audit.Rule{audit.Overlap}},
		"past who waits for the parent": {func(s *script) {
			parent := s.grant("1", "a", fTree)
			s.queue("2", "b", f)
			under(s.grant("3", "c", fg), parent)
		}, nil},
		"under what has ended": {func(s *script) {
			parent := s.grant("1", "a", fTree)
			s.end(lease.KindReleased, "1")
			under(s.grant("2", "b", fg), parent)
		}, []audit.Rule{audit.Ended}},
		"shorter than its TTL and its parent": {func(s *script) {
			parent := s.grant("1", "a", fTree)
			under(s.grant("2", "b", fg), parent).Lease.ExpiresAt = at(5)
			s.renew("1")
		}, []audit.Rule{audit.Lifetime}},
		"longer than its parent": {func(s *script) {
			parent := s.grant("1", "a", fTree)
			s.now = 1
			under(s.grant("2", "b", fg), parent)
			s.end(lease.KindReleased, "1")
		}, []audit.Rule{audit.Lifetime}},
		"as short as the lease above a delegate": {func(s *script) {
			e := s.grant("1", "a", f)
			e.Lease.ExpiresAt, e.Reason = at(5), lease.ReasonCovered
		}, nil},
		"shorter than its TTL for another reason": {func(s *script) {
			e := s.grant("1", "a", f)
			e.Lease.ExpiresAt, e.Reason = at(5), "why not"
		}, []audit.Rule{audit.Lifetime}},
		"over at once": {func(s *script) {
			e := s.grant("1", "a", f)
			e.Lease.ExpiresAt, e.Reason = at(0), lease.ReasonCovered
		}, []audit.Rule{audit.Lifetime}},
		"longer than the lease above a delegate": {func(s *script) {
			e := s.grant("1", "a", f)
			e.Lease.ExpiresAt, e.Reason = at(5), lease.ReasonCovered
			s.now = 6
			s.grant("2", "b", f)
		}, []audit.Rule{audit.Unrecorded}},
		"renewed beyond its parent": {func(s *script) {
			parent := s.grant("1", "a", fTree)
			under(s.grant("2", "b", fg), parent)
			s.now = 1
			under(s.renew("2"), parent)
			s.renew("1")
		}, []audit.Rule{audit.Lifetime}},
		"keeping at a renewal what it had before its parent was shortened": {func(s *script) {
			parent := s.grant("1", "a", fTree)
			under(s.grant("2", "b", fg), parent)
			s.add(lease.KindRenewed, 0, s.renewed("1", 5))
			under(s.renew("2"), parent)
			s.now = 1
			s.renew("1")
		}, nil},
		"as short as its parent after a renewal without a record": {func(s *script) {
			parent := s.grant("1", "a", fTree)
			under(s.grant("2", "b", fg), parent).Lease.ExpiresAt = at(5)
			s.renewed("1", 5)
			s.renew("1")
		}, nil},
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
