package sqlitebackend

import (
	"errors"
	"math"
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

// below returns the bounds, both exclusive, of the paths below a path; those of
// the root include the root itself.
func below(path string) (low string, high any) {
	if path == lease.Root {
		return "", []byte{0} // a blob sorts behind all text
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

// shape is what the text of a query for overlaps depends on: there are few, so
// each is composed once and its statement stays prepared.
type shape struct {
	waiting bool
	kind    int // of the claim
	above   int // how many paths
}

// overlapText returns the query for the leases, or the waiters, that overlap.
func (t *transaction) overlapText(waiting bool, c lease.Claim, above int) string {
	s := shape{waiting, kind(c), above}
	text, known := t.store.overlaps[s]
	if !known {
		if text = leasesText(c, above); waiting {
			text = waitersText(c, above)
		}
		t.store.overlaps[s] = text
	}
	return text
}

// leasesText composes the query for the arrivals of the leases that conflict
// with a claim. A lease may come twice, for two of its claims. Parameters: 1
// namespace, 2 holder to skip, 3 path, 4 and 5 bounds of what is below, from 6
// on the paths above.
func leasesText(c lease.Claim, above int) string {
	var b strings.Builder
	part := func(where string, kinds []int) {
		if b.Len() > 0 {
			b.WriteString(` UNION ALL `)
		}
		b.WriteString(`SELECT arrival FROM lease_claims WHERE namespace = ?1 AND waiting = 0 AND ` + where +
			` AND kind IN (` + joined(kinds) + `) AND holder <> ?2`)
	}
	part(`path = ?3`, kindsAt(c))
	if above > 0 {
		paths := make([]string, above)
		for i := range paths {
			paths[i] = `?` + strconv.Itoa(6+i)
		}
		part(`path IN (`+strings.Join(paths, `, `)+`)`, kindsAbove(c))
	}
	if c.Scope == lease.Tree {
		part(`path > ?4 AND path < ?5`, kindsAt(c))
	}
	return b.String()
}

// waitersText composes the query for the places of the waiters that conflict
// with a claim, in queue order: of a path's long queue only as much is read as
// is asked for, since the parts are ranges in that order and are merged.
// Parameters: 1 namespace, 2 holder to skip, 3 path, 4 and 5 bounds of what is
// below, 6 and 7 the place after which, 8 and 9 the one before which, 10 limit,
// from 11 on the paths above.
func waitersText(c lease.Claim, above int) string {
	var b strings.Builder
	part := func(where string, kinds []int) {
		for _, k := range kinds {
			if b.Len() > 0 {
				b.WriteString(` UNION `)
			}
			b.WriteString(`SELECT key, arrival FROM lease_claims WHERE namespace = ?1 AND waiting = 1 AND ` + where +
				` AND kind = ` + strconv.Itoa(k) + ` AND holder <> ?2 AND (key, arrival) > (?6, ?7) AND (key, arrival) < (?8, ?9)`)
		}
	}
	part(`path = ?3`, kindsAt(c))
	for i := range above {
		part(`path = ?`+strconv.Itoa(11+i), kindsAbove(c))
	}
	if c.Scope == lease.Tree {
		part(`path > ?4 AND path < ?5`, kindsAt(c))
	}
	b.WriteString(` ORDER BY 1, 2 LIMIT ?10`)
	return b.String()
}

func joined(kinds []int) string {
	texts := make([]string, len(kinds))
	for i, k := range kinds {
		texts[i] = strconv.Itoa(k)
	}
	return strings.Join(texts, ", ")
}

// leasesArgs and waitersArgs return the parameters. Nobody has the empty name.
func leasesArgs(namespace int64, o step.Overlap, above []string) []any {
	low, high := below(o.Claim.Path)
	args := append(make([]any, 0, 5+len(above)), namespace, o.Skip, o.Claim.Path, low, high)
	for _, p := range above {
		args = append(args, p)
	}
	return args
}

func waitersArgs(namespace int64, o step.Overlap, above []string) []any {
	after, before := step.Place{Key: math.MinInt64}, step.Place{Key: math.MaxInt64}
	if o.After != nil {
		after = *o.After
	}
	if o.Before != nil {
		before = *o.Before
	}
	low, high := below(o.Claim.Path)
	args := append(make([]any, 0, 10+len(above)), namespace, o.Skip, o.Claim.Path, low, high,
		after.Key, after.Arrival, before.Key, before.Arrival, o.Limit)
	for _, p := range above {
		args = append(args, p)
	}
	return args
}

// Leases implements [step.Tx].
func (t *transaction) Leases(o step.Overlap) ([]*step.Record, error) {
	up := above(o.Claim.Path)
	var found []int64
	err := t.each(t.overlapText(false, o.Claim, len(up)), leasesArgs(t.namespace, o, up), func(scan func(...any) error) error {
		var arrival int64
		if err := scan(&arrival); err != nil {
			return err
		}
		if !slices.Contains(found, arrival) {
			found = append(found, arrival)
		}
		if len(found) == o.Limit {
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	return t.records(found)
}

// errEnough ends the reading of rows.
var errEnough = errors.New("enough")

// Waiters implements [step.Tx].
func (t *transaction) Waiters(o step.Overlap) ([]*step.Record, error) {
	up := above(o.Claim.Path)
	var found []int64
	err := t.each(t.overlapText(true, o.Claim, len(up)), waitersArgs(t.namespace, o, up), func(scan func(...any) error) error {
		var key, arrival int64
		err := scan(&key, &arrival)
		found = append(found, arrival)
		return err
	})
	if err != nil {
		return nil, err
	}
	records, err := t.records(found)
	slices.SortFunc(records, func(a, b *step.Record) int {
		if a.Place().Before(b.Place()) {
			return -1
		}
		return 1 // no two have the same place
	})
	return records, err
}
