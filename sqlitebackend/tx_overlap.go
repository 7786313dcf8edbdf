package sqlitebackend

import (
	"cmp"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/internal/claimkeys"
	"github.com/leasekit/leasekit/lease"
)

// What conflicts with a claim is found in a few ranges of lease_claims' key
// (namespace, waiting, path, kind, key, arrival): claims at its own path, trees
// at each path above, and, if it is a tree, everything below. So a conflict
// check costs the same whatever else is held.

// below returns the bounds, both exclusive, of the paths below a path; those of
// the root include the root itself.
func below(path string) (low string, high any) {
	if path == lease.Root {
		return "", []byte{0} // a blob sorts behind all text
	}
	return path + "/", path + "0" // '0' follows '/'
}

// bounds are those of below for a tree; nothing else asks for them.
func bounds(c lease.Claim) (low, high any) {
	if c.Scope != lease.Tree {
		return nil, nil
	}
	return below(c.Path)
}

// shape is what the text of a query for overlaps depends on: there are few, so
// each is composed once and its statement stays prepared.
type shape struct {
	of     overlapping
	kind   int  // of the claim
	above  int  // how many paths
	shared bool // see rules.Overlap
	only   bool // the records of a holder, not those of all others
}

// overlapping is one of the queries for overlaps.
type overlapping uint8

const (
	leasesOver overlapping = iota
	leasesInOrder
	someWaiters
	waitersInOrder
)

// overlapText returns the text of a query for overlaps.
func (t *transaction) overlapText(of overlapping, c lease.Claim, o rules.Overlap, above int) string {
	s := shape{of: of, kind: claimkeys.Kind(c), above: above, shared: o.Shared, only: o.Only != ""}
	text, known := t.store.overlaps[s]
	if !known {
		text = s.text(c)
		t.store.overlaps[s] = text
	}
	return text
}

func (s shape) text(c lease.Claim) string {
	switch {
	case s.of == leasesInOrder:
		s.of = leasesOver
		return inOrder(s.text(c))
	case s.of == leasesOver && s.only:
		return s.ranges(`SELECT +arrival AS "" FROM lease_claims WHERE namespace = ?1 AND waiting = 0 AND holder = ?2`, 6, c)
	case s.of == leasesOver:
		return s.ranges(`SELECT +arrival AS "" FROM lease_claims WHERE namespace = ?1 AND waiting = 0 AND holder <> ?2`, 6, c)
	case s.of == someWaiters:
		return s.ranges(`SELECT key, arrival FROM lease_claims WHERE namespace = ?1 AND waiting = 1 AND holder <> ?2`+
			betweenPlaces, 11, c) + ` LIMIT ?10`
	}
	return s.merged(c)
}

const betweenPlaces = ` AND (key, arrival) > (?6, ?7) AND (key, arrival) < (?8, ?9)`

// inOrder is a query for leases with the first to arrive first: of the first 4,000
// that it finds, the most that a step may look at.
func inOrder(query string) string { return `SELECT * FROM (` + query + ` LIMIT 4000) ORDER BY 1` }

// ranges composes a query for what conflicts with a claim, range after
// range. A record may come twice, for two of its claims. Parameters: 1
// namespace, 2 holder to skip, 3 path, 4 and 5 bounds of what is below; from
// firstAbove on the paths above.
func (s shape) ranges(each string, firstAbove int, c lease.Claim) string {
	var b strings.Builder
	part := func(where string, kinds []int) {
		if b.Len() > 0 {
			b.WriteString(` UNION ALL `)
		}
		b.WriteString(each + ` AND ` + where + ` AND kind IN (` + joined(kinds) + `)`)
	}
	part(`path = ?3`, claimkeys.At(c, s.shared))
	if s.above > 0 {
		paths := make([]string, s.above)
		for i := range paths {
			paths[i] = `?` + strconv.Itoa(firstAbove+i)
		}
		part(`path IN (`+strings.Join(paths, `, `)+`)`, claimkeys.Over(c, s.shared))
	}
	if c.Scope == lease.Tree {
		part(`path > ?4 AND path < ?5`, claimkeys.At(c, s.shared))
	}
	return b.String()
}

// merged composes the query for the places of the waiters that conflict
// with a claim, in queue order: of a path's long queue only as much is read as
// is asked for, since the parts are ranges in that order and are merged.
// Parameters: those of ranges, and 6 and 7 the place after which, 8 and 9
// the one before which, 10 limit, from 11 on the paths above.
func (s shape) merged(c lease.Claim) string {
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
	part(`path = ?3`, claimkeys.At(c, s.shared))
	for i := range s.above {
		part(`path = ?`+strconv.Itoa(11+i), claimkeys.Over(c, s.shared))
	}
	if c.Scope == lease.Tree {
		part(`path > ?4 AND path < ?5`, claimkeys.At(c, s.shared))
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

// leasesArgs and waitersArgs append the parameters. Nobody has the empty name.
func leasesArgs(args []any, namespace int64, c lease.Claim, o rules.Overlap, above []string) []any {
	low, high := bounds(c)
	return appendPaths(append(args, namespace, cmp.Or(o.Only, o.Skip), c.Path, low, high), above)
}

func waitersArgs(args []any, namespace int64, c lease.Claim, o rules.Overlap, above []string, limit int) []any {
	after, before := between(o)
	low, high := below(c.Path)
	return appendPaths(append(args, namespace, o.Skip, c.Path, low, high,
		after.Key, after.Arrival, before.Key, before.Arrival, limit), above)
}

func appendPaths(args []any, paths []string) []any {
	for _, p := range paths {
		args = append(args, p)
	}
	return args
}

// between returns the places, both exclusive, that waiters are asked for.
func between(o rules.Overlap) (after, before rules.Place) {
	after, before = rules.Place{Key: math.MinInt64}, rules.Place{Key: math.MaxInt64}
	if o.After != nil {
		after = *o.After
	}
	if o.Before != nil {
		before = *o.Before
	}
	return after, before
}

// Leases implements [rules.Tx]. Mostly there are fewer than o.Limit: those need no
// order to be the first.
func (t *transaction) Leases(o rules.Overlap) ([]*rules.Record, error) {
	found, err := t.leases(o, leasesOver)
	if err == nil && len(found) == o.Limit && !o.Any {
		found, err = t.leases(o, leasesInOrder)
	}
	if err != nil {
		return nil, err
	}
	slices.Sort(found)
	found = slices.Compact(found)
	return t.records(found[:min(len(found), o.Limit)])
}

// leases returns the arrivals of leases that overlap with one of the claims: up to
// o.Limit of them, in order up to so many of each claim.
func (t *transaction) leases(o rules.Overlap, of overlapping) (found []int64, err error) {
	if len(o.Claims) >= manyClaims {
		return t.leasesMany(o, of)
	}
	for _, c := range o.Claims {
		if found, err = t.leasesOne(found, c, o, of); err != nil || of == leasesOver && len(found) == o.Limit {
			break
		}
	}
	return found, err
}

// leasesOne adds those that overlap with one claim to what was found.
func (t *transaction) leasesOne(found []int64, c lease.Claim, o rules.Overlap, of overlapping) ([]int64, error) {
	up := claimkeys.Above(c.Path)
	args := leasesArgs(t.store.room.args[:0], t.namespace, c, o, up)
	t.store.room.args = args
	limit := o.Limit
	if of == leasesInOrder {
		limit += len(found)
	}
	return t.arrivals(found, limit, t.overlapText(of, c, o, len(up)), args)
}

// arrivals adds those that a query yields to found, each once, up to a limit.
func (t *transaction) arrivals(found []int64, limit int, query string, args []any) ([]int64, error) {
	err := t.Each(query, args, func(scan func(...any) error) error {
		var arrival int64
		if err := scan(&arrival); err != nil {
			return err
		}
		if !slices.Contains(found, arrival) {
			found = append(found, arrival)
		}
		if len(found) == limit {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return found, err
}

// errEnough ends the reading of rows.
var errEnough = errors.New("enough")

// Waiters implements [rules.Tx].
func (t *transaction) Waiters(o rules.Overlap) ([]*rules.Record, error) {
	places, err := t.allPlaces(o)
	if err != nil {
		return nil, err
	}
	arrivals := make([]int64, len(places))
	for i, p := range places {
		arrivals[i] = p.Arrival
	}
	records, err := t.records(arrivals)
	slices.SortFunc(records, func(a, b *rules.Record) int { return a.Place().Compare(b.Place()) })
	return records, err
}

// allPlaces returns the places of the first waiters that overlap with a claim.
func (t *transaction) allPlaces(o rules.Overlap) ([]rules.Place, error) {
	if len(o.Claims) == 1 {
		return t.places(o.Claims[0], o)
	}
	var places []rules.Place
	full := true
	if len(o.Claims) >= manyClaims {
		var err error
		if places, full, err = t.placesMany(o); err != nil {
			return nil, err
		}
	}
	if full { // of a long queue, as much is read in its order as is asked for
		places = places[:0]
		for _, c := range o.Claims {
			more, err := t.places(c, o)
			if err != nil {
				return nil, err
			}
			places = append(places, more...)
		}
	}
	slices.SortFunc(places, rules.Place.Compare)
	places = slices.Compact(places)
	return places[:min(len(places), o.Limit)], nil
}

// fewWaiters is how many are read and sorted here: for a short queue that is
// several times cheaper than SQLite's merge.
const fewWaiters = 64

// places returns the places of the first waiters that overlap with a claim.
func (t *transaction) places(c lease.Claim, o rules.Overlap) ([]rules.Place, error) {
	up := claimkeys.Above(c.Path)
	var found []rules.Place
	read := func(of overlapping, limit int) error {
		found = found[:0]
		args := waitersArgs(t.store.room.args[:0], t.namespace, c, o, up, limit)
		t.store.room.args = args
		return t.Each(t.overlapText(of, c, o, len(up)), args, func(scan func(...any) error) error {
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
	slices.SortFunc(found, rules.Place.Compare)
	found = slices.Compact(found)
	return found[:min(len(found), o.Limit)], nil
}
