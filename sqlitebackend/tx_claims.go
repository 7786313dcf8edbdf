package sqlitebackend

import (
	"encoding/json"

	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/internal/claimkeys"
	"github.com/leasekit/leasekit/lease"
)

// The claims of a record are in its row for as long as that is kept, and in
// lease_claims, where overlaps are looked up (overlap.go), only while it is
// active or waits.

// claim writes the record's claims, as a waiter's or a lease's.
func (t *transaction) claim(r *rules.Record) error {
	waiting, key := claimed(r.Status, r.Key)
	arrival := t.store.room.number(r.Arrival)
	for _, c := range r.Claims {
		_, err := t.change(`INSERT INTO lease_claims (namespace, waiting, path, kind, key, arrival, holder) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			t.namespace, waiting, c.Path, claimkeys.Kind(c), key, arrival, r.Holder)
		if err != nil {
			return err
		}
	}
	for _, member := range r.Chain {
		_, err := t.change(`INSERT INTO lease_chains (namespace, member, waiting, arrival) VALUES (?, ?, ?, ?)`,
			t.namespace, string(member), waiting, arrival)
		if err != nil {
			return err
		}
	}
	return nil
}

// unclaim removes the claims that the record has had in this status.
func (t *transaction) unclaim(r *rules.Record, status lease.Status) error {
	waiting, key := claimed(status, r.Key)
	arrival := t.store.room.number(r.Arrival)
	for _, c := range r.Claims {
		_, err := t.change(`DELETE FROM lease_claims WHERE namespace = ? AND waiting = ? AND path = ? AND kind = ? AND key = ? AND arrival = ?`,
			t.namespace, waiting, c.Path, claimkeys.Kind(c), key, arrival)
		if err != nil {
			return err
		}
	}
	for _, member := range r.Chain {
		_, err := t.change(`DELETE FROM lease_chains WHERE namespace = ? AND member = ? AND waiting = ? AND arrival = ?`,
			t.namespace, string(member), waiting, arrival)
		if err != nil {
			return err
		}
	}
	return nil
}

// claimed returns the first columns of a claim's key.
func claimed(status lease.Status, key int64) (waiting int, at int64) {
	if status == lease.Pending {
		return 1, key
	}
	return 0, 0
}

// jsonText is v as JSON, or nil (NULL) where there is nothing.
func jsonText(v any, empty bool) (any, error) {
	if empty {
		return nil, nil
	}
	b, err := json.Marshal(v)
	return string(b), err
}
