package rules

import "github.com/leasekit/leasekit/lease"

// contention tells who waits at this moment for what r holds, of a page of
// lease.MaxContention waiters at most. It changes nothing.
func contention(tx interface {
	Waiters(o Overlap) ([]*Record, error)
}, r *Record, waiting int, now int64) (lease.Contention, error) {
	var k lease.Contention
	if waiting == 0 || r.Status != lease.Active || r.Over(now) {
		return k, nil
	}
	us, err := tx.Waiters(Overlap{Claims: r.Claims, Limit: lease.MaxContention})
	if err != nil {
		return k, err
	}
	for _, u := range us {
		if u.Over(now) || mine(r, u) {
			continue
		}
		if k.Waiters == 0 || u.Priority > k.Priority {
			k.Priority = u.Priority
		}
		if at := moment(u.Created); k.Waiters == 0 || at.Before(k.Since) {
			k.Since = at
		}
		k.Waiters++
	}
	return k, nil
}
