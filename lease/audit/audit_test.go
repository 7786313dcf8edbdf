package audit_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/lease/audit"
)

func TestCleanHistories(t *testing.T) {
	for name, write := range map[string]func(s *script){
		"one after the other": func(s *script) {
			s.grant("1", "a", f)
			s.now = 3
			s.end(lease.KindReleased, "1")
			s.grant("2", "b", f)
		},
		"renewed and expired": func(s *script) {
			s.grant("1", "a", f)
			s.now = 9
			s.renew("1")
			s.now = 25
			s.end(lease.KindExpired, "1")
			s.grant("2", "b", f)
		},
		"readers together, and a holder again": func(s *script) {
			s.grant("1", "a", fRead)
			s.grant("2", "b", fRead)
			s.grant("3", "c", g)
			s.grant("4", "c", g)
		},
		"its own again, where the older is distinct": func(s *script) {
			s.grant("1", "a", f).Lease.Distinct = true
			s.grant("2", "a", f)
			s.now = 20
			s.end(lease.KindExpired, "1")
			s.end(lease.KindExpired, "2")
			s.grant("3", "a", f).Lease.Distinct = true
		},
		"names that only look alike": func(s *script) {
			s.grant("1", "a", fTree)
			s.grant("2", "b", lease.Trees("fg")[0])
		},
		"in line, in order": func(s *script) {
			s.grant("1", "a", f)
			s.queue("2", "b", f)
			s.queue("3", "c", f)
			s.end(lease.KindReleased, "1")
			s.grant("2", "b")
			s.end(lease.KindReleased, "2")
			s.grant("3", "c")
		},
		"a lapsed waiter is stepped over": func(s *script) {
			s.grant("1", "a", f)
			s.queue("2", "b", f)
			s.queue("3", "c", f)
			s.now = 11
			s.end(lease.KindLapsed, "2")
			s.end(lease.KindExpired, "1")
			s.grant("3", "c")
		},
		"re-entry past who waits for the holder": func(s *script) {
			s.grant("1", "a", f)
			s.queue("2", "b", fTree)
			s.grant("3", "a", fg)
		},
		"past who waits for the holder through another": func(s *script) {
			s.grant("1", "a", g)
			s.grant("2", "b", f)
			s.queue("3", "b", g)
			s.queue("4", "c", f, fg)
			s.grant("5", "a", fg)
		},
		"replaced by the same holder, either half first": func(s *script) {
			s.grant("1", "a", f)
			s.end(lease.KindReplaced, "1")
			s.grant("2", "a", fTree).Lease.Replaced = "1"
			s.now = 1
			s.grant("3", "a", fRead).Lease.Replaced = "2"
			s.end(lease.KindReplaced, "2")
		},
		"upgrade past a waiter": func(s *script) {
			s.grant("1", "a", fRead)
			s.queue("2", "b", f)
			s.end(lease.KindReplaced, "1")
			s.grant("3", "a", f).Lease.Replaced = "1"
		},
		"transferred past a waiter": func(s *script) {
			s.grant("1", "a", f)
			s.queue("2", "b", f)
			s.end(lease.KindTransferred, "1").Actor = "c"
			s.grant("3", "c", f).Lease.Replaced = "1"
		},
		"the same ID again after it was withdrawn": func(s *script) {
			s.grant("1", "a", f)
			s.queue("2", "b", f)
			s.end(lease.KindWithdrawn, "2")
			delete(s.open, "2")
			s.queue("2", "c", f)
		},
		"renewals not recorded": func(s *script) {
			s.grant("1", "a", f)
			l := s.open["1"]
			l.Renewals, l.ExpiresAt = 2, at(28)
			s.open["1"] = l
			s.now = 21
			s.end(lease.KindReleased, "1")
		},
		"a grant that is confirmed later": func(s *script) {
			s.grant("0", "b", f)
			s.queue("1", "a", f)
			s.end(lease.KindReleased, "0")
			s.grant("1", "a").Lease.ExpiresAt = at(2)
			s.now = 5
			s.end(lease.KindReleased, "1")
		},
		"a priority is a head start": func(s *script) {
			s.grant("1", "a", f)
			s.queue("2", "b", f)
			s.now = 1
			s.queue("3", "c", f).Lease.Priority = 1
			s.end(lease.KindReleased, "1")
			s.grant("3", "c").Lease.Priority = 1
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript()
			write(s)
			require.NoError(t, s.replay(t, nil).Err())
		})
	}
}

func TestViolations(t *testing.T) {
	for name, c := range map[string]struct {
		rule  audit.Rule
		seq   lease.Seq // of the violation
		other lease.Seq
		write func(s *script)
	}{
		"two at once": {audit.Overlap, 2, 1, func(s *script) {
			s.grant("1", "a", f)
			s.grant("2", "b", f)
		}},
		"a tree over what is held": {audit.Overlap, 2, 1, func(s *script) {
			s.grant("1", "a", fg)
			s.grant("2", "b", fTree)
		}},
		"below a tree": {audit.Overlap, 2, 1, func(s *script) {
			s.grant("1", "a", fTree)
			s.grant("2", "b", fg, g)
		}},
		"a writer among readers": {audit.Overlap, 3, 2, func(s *script) {
			s.grant("1", "b", fRead)
			s.grant("2", "a", fRead)
			s.grant("3", "b", f)
		}},
		"after a renewal that was recorded": {audit.Overlap, 3, 1, func(s *script) {
			s.grant("1", "a", f)
			s.now = 9
			s.renew("1")
			s.now = 15
			s.grant("2", "b", f)
		}},
		"after one that was not": {audit.Overlap, 5, 4, func(s *script) {
			s.grant("0", "c", f)
			s.queue("1", "a", f)
			s.end(lease.KindReleased, "0")
			s.grant("1", "a").Lease.ExpiresAt = at(2) // to be confirmed
			s.now = 3
			s.grant("2", "b", f)
			s.now = 5
			s.end(lease.KindReleased, "1")
		}},
		"its own again, where the newer is distinct": {audit.Overlap, 2, 1, func(s *script) {
			s.grant("1", "a", f)
			s.grant("2", "a", f).Lease.Distinct = true
		}},
		"a token used again": {audit.Tokens, 3, 1, func(s *script) {
			s.grant("1", "a", f)
			s.end(lease.KindReleased, "1")
			s.token--
			s.grant("2", "b", f)
		}},
		"a renewal with a token of its own": {audit.Tokens, 2, 1, func(s *script) {
			s.grant("1", "a", f)
			s.renew("1").Lease.Token++
		}},
		"a Seq used again": {audit.Sequence, 1, 1, func(s *script) {
			s.grant("1", "a", f)
			s.grant("2", "b", g).Seq = 1
		}},
		"a Seq that is missing": {audit.Sequence, 3, 1, func(s *script) {
			s.grant("1", "a", f)
			s.grant("2", "b", g).Seq = 3
		}},
		"the first ones missing": {audit.Sequence, 2, 0, func(s *script) {
			s.grant("1", "a", f).Seq = 2
		}},
		"a kind that there is not": {audit.Kinds, 2, 1, func(s *script) {
			s.grant("1", "a", f)
			s.end("stolen", "1")
		}},
		"time runs backwards": {audit.Clock, 2, 1, func(s *script) {
			s.now = 3
			s.grant("1", "a", f)
			s.now = 2
			s.grant("2", "b", g)
		}},
		"expired too early": {audit.Clock, 2, 1, func(s *script) {
			s.grant("1", "a", f)
			e := s.end(lease.KindExpired, "1")
			e.At, e.Lease.ExpiresAt = at(8), at(8)
		}},
		"dated when it was found out": {audit.Clock, 2, 0, func(s *script) {
			s.grant("1", "a", f)
			s.now = 30
			s.end(lease.KindExpired, "1").At = at(30)
		}},
		"granted for less than its TTL": {audit.Lifetime, 1, 0, func(s *script) {
			s.grant("1", "a", f).Lease.ExpiresAt = at(9)
		}},
		"granted for less than it takes to confirm it": {audit.Lifetime, 2, 1, func(s *script) {
			s.queue("1", "a", f)
			s.grant("1", "a").Lease.ExpiresAt = at(1)
		}},
		"renewed into the past": {audit.Lifetime, 3, 2, func(s *script) {
			s.grant("1", "a", f)
			s.renew("1")
			s.now = 3
			s.renew("1").Lease.ExpiresAt = at(3)
		}},
		"granted with nothing left": {audit.Lifetime, 1, 0, func(s *script) {
			s.grant("1", "a", f).Lease.ExpiresAt = at(0)
		}},
		"released, but never granted": {audit.Unknown, 1, 0, func(s *script) {
			s.open["1"] = lease.Lease{ID: "1", Holder: "a", Token: 7}
			s.end(lease.KindReleased, "1")
		}},
		"waited, but never queued": {audit.Unknown, 1, 0, func(s *script) {
			s.now = 5
			s.grant("1", "a", f).Lease.CreatedAt = at(1)
		}},
		"a waiter is released": {audit.Unknown, 3, 2, func(s *script) {
			s.grant("1", "a", f)
			s.queue("2", "b", f)
			s.end(lease.KindReleased, "2")
		}},
		"a lease lapses": {audit.Unknown, 2, 1, func(s *script) {
			s.grant("1", "a", f)
			s.end(lease.KindLapsed, "1")
		}},
		"released twice": {audit.Ended, 3, 2, func(s *script) {
			s.grant("1", "a", f)
			s.end(lease.KindReleased, "1")
			s.end(lease.KindReleased, "1")
		}},
		"renewed after its release": {audit.Ended, 3, 2, func(s *script) {
			s.grant("1", "a", f)
			s.end(lease.KindReleased, "1")
			s.renew("1")
		}},
		"renewed after its expiry": {audit.Ended, 2, 1, func(s *script) {
			s.grant("1", "a", f)
			s.now = 10
			s.renew("1")
		}},
		"released after its expiry": {audit.Ended, 2, 1, func(s *script) {
			s.grant("1", "a", f)
			s.now = 12
			s.end(lease.KindReleased, "1")
		}},
		"an expiry that nobody recorded": {audit.Unrecorded, 2, 1, func(s *script) {
			s.grant("1", "a", f)
			s.now = 12
			s.grant("2", "b", f)
		}},
		"an expiry at that very moment that nobody recorded": {audit.Unrecorded, 2, 1, func(s *script) {
			s.grant("1", "a", f)
			s.now = ttl
			s.grant("2", "b", f)
		}},
		"released at the moment of its expiry": {audit.Ended, 2, 1, func(s *script) {
			s.grant("1", "a", f)
			s.now = ttl
			s.end(lease.KindReleased, "1")
		}},
		"renewed once more than its limit": {audit.Renewals, 3, 1, func(s *script) {
			s.grant("1", "a", f).Lease.MaxRenewals = 1
			s.renew("1").Lease.MaxRenewals = 1
			s.renew("1").Lease.MaxRenewals = 1
		}},
		"a renewal that is counted twice": {audit.Renewals, 3, 1, func(s *script) {
			s.grant("1", "a", f)
			s.renew("1")
			s.renew("1").Lease.Renewals = 1
		}},
		"granted twice": {audit.Twice, 2, 1, func(s *script) {
			s.grant("1", "a", f)
			s.grant("1", "a", f)
		}},
		"queued twice": {audit.Twice, 3, 2, func(s *script) {
			s.grant("1", "a", f)
			s.queue("2", "b", f)
			s.queue("2", "b", f)
		}},
		"other claims": {audit.Changed, 2, 1, func(s *script) {
			s.grant("1", "a", f)
			s.renew("1").Lease.Claims = []lease.Claim{g}
		}},
		"another holder": {audit.Changed, 2, 1, func(s *script) {
			s.grant("1", "a", f)
			s.renew("1").Lease.Holder = "b"
		}},
		"barging": {audit.Order, 4, 2, func(s *script) {
			s.grant("1", "a", f)
			s.queue("2", "b", f)
			s.end(lease.KindReleased, "1")
			s.grant("3", "c", f)
		}},
		"the second in line first": {audit.Order, 5, 2, func(s *script) {
			s.grant("1", "a", f)
			s.queue("2", "b", f)
			s.queue("3", "c", f)
			s.end(lease.KindReleased, "1")
			s.grant("3", "c")
		}},
		"a reader past a waiting writer": {audit.Order, 3, 2, func(s *script) {
			s.grant("1", "a", fRead)
			s.queue("2", "b", f)
			s.grant("3", "c", fRead)
		}},
		"more than the head start": {audit.Order, 3, 1, func(s *script) {
			s.queue("1", "b", f)
			s.now = 31
			s.queue("2", "c", f).Lease.Priority = 1
			s.grant("2", "c")
		}},
		"once too often": {audit.Renewals, 2, 1, func(s *script) {
			s.grant("1", "a", f)
			s.renew("1").Lease.MaxRenewals = lease.NoRenewals
		}},
		"a holder past its own distinct one": {audit.Order, 4, 2, func(s *script) {
			s.grant("1", "b", f)
			s.queue("2", "a", f).Lease.Distinct = true
			s.end(lease.KindReleased, "1")
			s.grant("3", "a", f).Lease.Distinct = true
		}},
		"a withdrawn grant that had replaced": {audit.Replacement, 4, 3, func(s *script) {
			s.grant("1", "a", f)
			s.end(lease.KindReplaced, "1")
			s.grant("2", "a", f).Lease.Replaced = "1"
			s.end(lease.KindWithdrawn, "2")
		}},
		"replaced by nothing": {audit.Replacement, 2, 0, func(s *script) {
			s.grant("1", "a", f)
			s.end(lease.KindReplaced, "1")
			s.now = 1
			s.grant("2", "a", f)
		}},
		"in place of what goes on": {audit.Replacement, 2, 0, func(s *script) {
			s.grant("1", "a", f)
			s.grant("2", "a", f).Lease.Replaced = "1"
		}},
		"replaced by another holder": {audit.Replacement, 2, 3, func(s *script) {
			s.grant("1", "a", f)
			s.end(lease.KindReplaced, "1")
			s.grant("2", "b", f).Lease.Replaced = "1"
		}},
		"transferred to its own holder": {audit.Replacement, 2, 3, func(s *script) {
			s.grant("1", "a", f)
			s.end(lease.KindTransferred, "1").Actor = "a"
			s.grant("2", "a", f).Lease.Replaced = "1"
		}},
		"transferred to somebody else": {audit.Replacement, 2, 3, func(s *script) {
			s.grant("1", "a", f)
			s.end(lease.KindTransferred, "1").Actor = "c"
			s.grant("2", "b", f).Lease.Replaced = "1"
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript()
			c.write(s)
			report := s.replay(t, nil)
			require.Len(t, report.Violations, 1, "%v", report.Violations)
			v := report.Violations[0]
			require.Equal(t, c.rule, v.Rule)
			require.Equal(t, c.seq, v.Seq, v)
			require.Equal(t, c.other, v.Other, v)
			require.True(t, report.Broke(c.rule))
			require.ErrorContains(t, report.Err(), string(c.rule))
		})
	}
}
