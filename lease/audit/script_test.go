package audit_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/lease/audit"
)

// script writes a history by hand. Times are seconds after a start.
type script struct {
	events []lease.Event
	now    int
	open   map[lease.ID]lease.Lease
	token  lease.Token
}

var start = time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC)

func at(second int) time.Time { return start.Add(time.Duration(second) * time.Second) }

func newScript() *script { return &script{open: map[lease.ID]lease.Lease{}} }

// ttl is that of all leases and places in line in the scripts.
const ttl = 10

func (s *script) add(kind lease.Kind, second int, l lease.Lease) *lease.Event {
	s.events = append(s.events, lease.Event{
		Seq: lease.Seq(len(s.events) + 1), Kind: kind, At: at(second), Lease: l,
	})
	return &s.events[len(s.events)-1]
}

func (s *script) request(id lease.ID, holder string, claims []lease.Claim) lease.Lease {
	if l, ok := s.open[id]; ok {
		return l
	}
	return lease.Lease{
		ID: id, Holder: holder, Claims: claims, TTL: ttl * time.Second, MaxRenewals: lease.Unlimited,
		CreatedAt: at(s.now), ExpiresAt: at(s.now + ttl),
	}
}

func (s *script) queue(id lease.ID, holder string, claims ...lease.Claim) *lease.Event {
	l := s.request(id, holder, claims)
	s.open[id] = l
	return s.add(lease.KindQueued, s.now, l)
}

// grant grants a new request, or one that was queued.
func (s *script) grant(id lease.ID, holder string, claims ...lease.Claim) *lease.Event {
	l := s.request(id, holder, claims)
	s.token++
	l.Status, l.Token, l.GrantedAt, l.ExpiresAt = lease.Active, s.token, at(s.now), at(s.now+ttl)
	s.open[id] = l
	return s.add(lease.KindGranted, s.now, l)
}

func (s *script) renew(id lease.ID) *lease.Event {
	return s.add(lease.KindRenewed, s.now, s.renewed(id, ttl))
}

// renewed renews a lease, for so many seconds, without a record.
func (s *script) renewed(id lease.ID, seconds int) lease.Lease {
	l := s.open[id]
	l.Renewals++
	l.ExpiresAt = at(s.now + seconds)
	s.open[id] = l
	return l
}

// end records an end; those by themselves are dated at the deadline.
func (s *script) end(kind lease.Kind, id lease.ID) *lease.Event {
	l := s.open[id]
	l.Status = lease.Released
	e := s.add(kind, s.now, l)
	if kind == lease.KindExpired || kind == lease.KindLapsed {
		e.At = l.ExpiresAt
	}
	return e
}

func (s *script) replay(t *testing.T, o *audit.Options) audit.Report {
	t.Helper()
	report, err := audit.Replay(audit.Events(s.events), o)
	require.NoError(t, err)
	return report
}

var (
	f     = lease.Paths("f")[0]
	fTree = lease.Trees("f")[0]
	fg    = lease.Paths("f/g")[0]
	fRead = lease.SharedPaths("f")[0]
	g     = lease.Paths("g")[0]
)
