package sqlitebackend

import (
	"slices"
	"strconv"
	"strings"

	"github.com/leasekit/leasekit/backend/step"
	"github.com/leasekit/leasekit/lease"
)

// What conflicts with a claim is found in a few ranges of lease_claims' key
// (namespace, waiting, path, kind, key, arrival): claims at its own path, trees
// at each path above, and, if it is a tree, everything below. So a conflict
// check costs the same whatever else is held.

// kind is a claim's mode and scope as one number: exclusive ones are even,
// trees are 2 and 3.
func kind(c lease.Claim) int { return 2*int(c.Scope) + int(c.Mode) }

// kindsAt returns the kinds that conflict with c at its own path and below,
// kindsAbove those above it.
func kindsAt(c lease.Claim) []int {
	if c.Mode == lease.Shared {
		return []int{0, 2}
	}
	return []int{0, 1, 2, 3}
}

func kindsAbove(c lease.Claim) []int {
	if c.Mode == lease.Shared {
		return []int{2}
	}
	return []int{2, 3}
}

// below returns the bounds, both exclusive, of the paths below a path.
func below(path string) (low, high string) {
	if path == lease.Root {
		return "", "\U0010FFFF" // the root itself is among them: no harm, it overlaps too
	}
	return path + "/", path + "0" // '0' follows '/'
}

// above returns the paths above a path, nearest first.
func above(path string) []string {
	var paths []string
	for up, ok := lease.Parent(path); ok; up, ok = lease.Parent(up) {
		paths = append(paths, up)
	}
	return paths
}

// query is an SQL text that grows together with its arguments.
type query struct {
	text strings.Builder
	args []any
}

func (q *query) add(text string, args ...any) {
	q.text.WriteString(text)
	q.args = append(q.args, args...)
}

// list writes (1, 2): the few lists of kinds are part of the statement's text.
func list(kinds []int) string {
	texts := make([]string, len(kinds))
	for i, k := range kinds {
		texts[i] = strconv.Itoa(k)
	}
	return "(" + strings.Join(texts, ", ") + ")"
}

// overlappingLeases selects the arrivals of the leases of step.Tx.Leases.
func overlappingLeases(namespace int64, o step.Overlap) *query {
	q := new(query)
	part := func(where string, kinds []int, args ...any) {
		q.add(`SELECT arrival FROM lease_claims WHERE namespace = ? AND waiting = 0 AND `+where+` AND kind IN `+list(kinds),
			append([]any{namespace}, args...)...)
		if o.Skip != "" {
			q.add(` AND holder <> ?`, o.Skip)
		}
	}
	c := o.Claim
	q.add(`SELECT DISTINCT arrival FROM (`)
	part(`path = ?`, kindsAt(c), c.Path)
	if up := above(c.Path); len(up) > 0 {
		q.add(` UNION ALL `)
		args := make([]any, len(up))
		for i, p := range up {
			args[i] = p
		}
		part(`path IN (?`+strings.Repeat(`, ?`, len(up)-1)+`)`, kindsAbove(c), args...)
	}
	if c.Scope == lease.Tree {
		low, high := below(c.Path)
		q.add(` UNION ALL `)
		part(`path > ? AND path < ?`, kindsAt(c), low, high)
	}
	q.add(`) LIMIT ?`, o.Limit)
	return q
}

// overlappingWaiters selects the arrivals of the waiters of step.Tx.Waiters.
// Each range is read in queue order and cut off at the limit, so a page of a
// long queue costs a page.
func overlappingWaiters(namespace int64, o step.Overlap) *query {
	q := new(query)
	q.add(`SELECT DISTINCT key, arrival FROM (`)
	part := func(where string, k int, args ...any) {
		if len(q.args) > 0 {
			q.add(` UNION ALL `)
		}
		q.add(`SELECT * FROM (SELECT key, arrival FROM lease_claims WHERE namespace = ? AND waiting = 1 AND `+where+
			` AND kind = `+strconv.Itoa(k), append([]any{namespace}, args...)...)
		if o.Skip != "" {
			q.add(` AND holder <> ?`, o.Skip)
		}
		if o.After != nil {
			q.add(` AND (key, arrival) > (?, ?)`, o.After.Key, o.After.Arrival)
		}
		if o.Before != nil {
			q.add(` AND (key, arrival) < (?, ?)`, o.Before.Key, o.Before.Arrival)
		}
		q.add(` ORDER BY key, arrival LIMIT ?)`, o.Limit)
	}
	c := o.Claim
	for _, k := range kindsAt(c) {
		part(`path = ?`, k, c.Path)
	}
	for _, p := range above(c.Path) {
		for _, k := range kindsAbove(c) {
			part(`path = ?`, k, p)
		}
	}
	if c.Scope == lease.Tree {
		low, high := below(c.Path)
		for _, k := range kindsAt(c) {
			part(`path > ? AND path < ?`, k, low, high)
		}
	}
	q.add(`) ORDER BY key, arrival LIMIT ?`, o.Limit)
	return q
}

// Leases implements [step.Tx].
func (t *transaction) Leases(o step.Overlap) ([]*step.Record, error) {
	q := overlappingLeases(t.namespace, o)
	var found []int64
	err := t.each(q.text.String(), q.args, func(scan func(...any) error) error {
		var arrival int64
		err := scan(&arrival)
		found = append(found, arrival)
		return err
	})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	slices.Sort(found)
	return t.records(found)
}

// Waiters implements [step.Tx].
func (t *transaction) Waiters(o step.Overlap) ([]*step.Record, error) {
	q := overlappingWaiters(t.namespace, o)
	var found []int64
	err := t.each(q.text.String(), q.args, func(scan func(...any) error) error {
		var key, arrival int64
		err := scan(&key, &arrival)
		found = append(found, arrival)
		return err
	})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return t.records(found)
}

// claim writes the record's claims, as a waiter's or a lease's.
func (t *transaction) claim(r *step.Record) error {
	waiting, key := claimed(r.Status, r.Key)
	for _, c := range r.Claims {
		_, err := t.change(`INSERT INTO lease_claims (namespace, waiting, path, kind, key, arrival, holder) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			t.namespace, waiting, c.Path, kind(c), key, r.Arrival, r.Holder)
		if err != nil {
			return err
		}
	}
	return nil
}

// unclaim removes the claims that the record has had in this status.
func (t *transaction) unclaim(r *step.Record, status lease.Status) error {
	waiting, key := claimed(status, r.Key)
	for _, c := range r.Claims {
		_, err := t.change(`DELETE FROM lease_claims WHERE namespace = ? AND waiting = ? AND path = ? AND kind = ? AND key = ? AND arrival = ?`,
			t.namespace, waiting, c.Path, kind(c), key, r.Arrival)
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
