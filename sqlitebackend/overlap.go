package sqlitebackend

import (
	"cmp"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/leasekit/leasekit/backend/rules"
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
	of    overlapping
	kind  int // of the claim
	above int // how many paths
}

// overlapping is one of the queries for overlaps.
type overlapping uint8

const (
	leasesOver overlapping = iota
	someWaiters
	waitersInOrder
)

// overlapText returns the text of a query for overlaps.
func (t *transaction) overlapText(of overlapping, c lease.Claim, above int) string {
	s := shape{of, kind(c), above}
	text, known := t.store.overlaps[s]
	if !known {
		text = of.text(c, above)
		t.store.overlaps[s] = text
	}
	return text
}

func (of overlapping) text(c lease.Claim, above int) string {
	switch of {
	case leasesOver:
		return rangesText(`SELECT arrival FROM lease_claims WHERE namespace = ?1 AND waiting = 0 AND holder <> ?2`, 6, c, above)
	case someWaiters:
		return rangesText(`SELECT key, arrival FROM lease_claims WHERE namespace = ?1 AND waiting = 1 AND holder <> ?2`+
			betweenPlaces, 11, c, above) + ` LIMIT ?10`
	}
	return mergedText(c, above)
}

const betweenPlaces = ` AND (key, arrival) > (?6, ?7) AND (key, arrival) < (?8, ?9)`

// rangesText composes a query for what conflicts with a claim, range after
// range. A record may come twice, for two of its claims. Parameters: 1
// namespace, 2 holder to skip, 3 path, 4 and 5 bounds of what is below; from
// firstAbove on the paths above.
func rangesText(each string, firstAbove int, c lease.Claim, above int) string {
	var b strings.Builder
	part := func(where string, kinds []int) {
		if b.Len() > 0 {
			b.WriteString(` UNION ALL `)
		}
		b.WriteString(each + ` AND ` + where + ` AND kind IN (` + joined(kinds) + `)`)
	}
	part(`path = ?3`, kindsAt(c))
	if above > 0 {
		paths := make([]string, above)
		for i := range paths {
			paths[i] = `?` + strconv.Itoa(firstAbove+i)
		}
		part(`path IN (`+strings.Join(paths, `, `)+`)`, kindsAbove(c))
	}
	if c.Scope == lease.Tree {
		part(`path > ?4 AND path < ?5`, kindsAt(c))
	}
	return b.String()
}

// mergedText composes the query for the places of the waiters that conflict
// with a claim, in queue order: of a path's long queue only as much is read as
// is asked for, since the parts are ranges in that order and are merged.
// Parameters: those of rangesText, and 6 and 7 the place after which, 8 and 9
// the one before which, 10 limit, from 11 on the paths above.
func mergedText(c lease.Claim, above int) string {
	var b strings.Builder
	part := func(where string, kinds []int) {
		for _, k := range kinds {
			if b.Len() > 0 {
				b.WriteString(` UNION `)
			}
			b.WriteString(`SELECT key, arrival FROM lease_claims WHERE namespace = ?1 AND waiting = 1 AND holder <> ?2` +
				betweenPlaces + ` AND ` + where + ` AND kind = ` + strconv.Itoa(k))
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
func leasesArgs(namespace int64, o rules.Overlap, above []string) []any {
	low, high := below(o.Claim.Path)
	args := append(make([]any, 0, 5+len(above)), namespace, o.Skip, o.Claim.Path, low, high)
	for _, p := range above {
		args = append(args, p)
	}
	return args
}

func waitersArgs(namespace int64, o rules.Overlap, above []string, limit int) []any {
	after, before := rules.Place{Key: math.MinInt64}, rules.Place{Key: math.MaxInt64}
	if o.After != nil {
		after = *o.After
	}
	if o.Before != nil {
		before = *o.Before
	}
	low, high := below(o.Claim.Path)
	args := append(make([]any, 0, 10+len(above)), namespace, o.Skip, o.Claim.Path, low, high,
		after.Key, after.Arrival, before.Key, before.Arrival, limit)
	for _, p := range above {
		args = append(args, p)
	}
	return args
}

// Leases implements [rules.Tx].
func (t *transaction) Leases(o rules.Overlap) ([]*rules.Record, error) {
	up := above(o.Claim.Path)
	var found []int64
	err := t.Each(t.overlapText(leasesOver, o.Claim, len(up)), leasesArgs(t.namespace, o, up), func(scan func(...any) error) error {
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

// Waiters implements [rules.Tx].
func (t *transaction) Waiters(o rules.Overlap) ([]*rules.Record, error) {
	places, err := t.places(o)
	if err != nil {
		return nil, err
	}
	arrivals := make([]int64, len(places))
	for i, p := range places {
		arrivals[i] = p.Arrival
	}
	records, err := t.records(arrivals)
	slices.SortFunc(records, func(a, b *rules.Record) int { return comparePlaces(a.Place(), b.Place()) })
	return records, err
}

// fewWaiters is how many are read and sorted here: for a short queue that is
// several times cheaper than SQLite's merge.
const fewWaiters = 64

// places returns the places of the first waiters that overlap.
func (t *transaction) places(o rules.Overlap) ([]rules.Place, error) {
	up := above(o.Claim.Path)
	var found []rules.Place
	read := func(of overlapping, limit int) error {
		found = found[:0]
		return t.Each(t.overlapText(of, o.Claim, len(up)), waitersArgs(t.namespace, o, up, limit), func(scan func(...any) error) error {
			var p rules.Place
			err := scan(&p.Key, &p.Arrival)
			found = append(found, p)
			return err
		})
	}
	if err := read(someWaiters, fewWaiters); err != nil {
		return nil, err
	}
	if len(found) == fewWaiters {
		err := read(waitersInOrder, o.Limit)
		return found, err
	}
	slices.SortFunc(found, comparePlaces)
	found = slices.Compact(found)
	return found[:min(len(found), o.Limit)], nil
}

func comparePlaces(a, b rules.Place) int {
	return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Arrival, b.Arrival))
}
