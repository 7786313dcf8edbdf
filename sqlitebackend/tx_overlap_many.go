package sqlitebackend

import (
	"cmp"
	"encoding/json"

	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/internal/claimkeys"
	"github.com/leasekit/leasekit/lease"
)

// A request with many claims would ask many queries, and most of its paths have
// the same paths above them. So all that it looks for goes into one query, as
// two lists: keys (path, kind), each once, and for trees ranges of keys.

// manyClaims is from how many claims on that is done. A statement for the shape
// of one claim is faster to run.
const manyClaims = 4

const (
	pointsFrom = ` FROM json_each(?2) CROSS JOIN lease_claims k
		WHERE k.namespace = ?1 AND k.path = json_each.value ->> 0 AND k.kind = json_each.value ->> 1`
	rangesFrom = ` FROM json_each(?3) CROSS JOIN lease_claims k
		WHERE k.namespace = ?1 AND k.path > json_each.value ->> 0 AND k.path < ifnull(json_each.value ->> 1, x'00') AND k.kind = json_each.value ->> 2`

	leaseSide  = ` AND k.waiting = 0 AND k.holder `
	waiterSide = ` AND k.waiting = 1 AND k.holder <> ?4 AND (k.key, k.arrival) > (?5, ?6) AND (k.key, k.arrival) < (?7, ?8)`

	leasesOverMany = `SELECT k.arrival` + pointsFrom + leaseSide + `<> ?4 UNION ALL SELECT k.arrival` + rangesFrom + leaseSide + `<> ?4`
	leasesOfMany   = `SELECT k.arrival` + pointsFrom + leaseSide + `= ?4 UNION ALL SELECT k.arrival` + rangesFrom + leaseSide + `= ?4`
	waitersMany    = `SELECT k.key, k.arrival` + pointsFrom + waiterSide + ` UNION ALL SELECT k.key, k.arrival` + rangesFrom + waiterSide + ` LIMIT ?9`
)

// keysOver returns what conflicts with one of the claims, as JSON: the list of
// [path, kind] and the list of [low, high, kind].
func keysOver(o rules.Overlap) (points, ranges string, err error) {
	type key struct {
		path string
		kind int
	}
	seen := make(map[key]bool)
	list := make([][2]any, 0, 4*len(o.Claims))
	trees := make([][3]any, 0)
	add := func(path string, kinds []int) {
		for _, k := range kinds {
			if at := (key{path, k}); !seen[at] {
				seen[at] = true
				list = append(list, [2]any{path, k})
			}
		}
	}
	for _, c := range o.Claims {
		add(c.Path, claimkeys.At(c, o.Shared))
		for _, up := range claimkeys.Above(c.Path) {
			add(up, claimkeys.Over(c, o.Shared))
		}
		if c.Scope != lease.Tree {
			continue
		}
		low, high := below(c.Path)
		if c.Path == lease.Root {
			high = nil // a blob in SQL, which JSON has none of
		}
		for _, k := range claimkeys.At(c, o.Shared) {
			trees = append(trees, [3]any{low, high, k})
		}
	}
	p, err := json.Marshal(list)
	if err != nil {
		return "", "", err
	}
	r, err := json.Marshal(trees)
	return string(p), string(r), err
}

var (
	firstOverMany = inOrder(leasesOverMany)
	firstOfMany   = inOrder(leasesOfMany)
)

// leasesMany is leases for many claims at once.
func (t *transaction) leasesMany(o rules.Overlap, of overlapping) ([]int64, error) {
	points, ranges, err := keysOver(o)
	if err != nil {
		return nil, err
	}
	query := leasesOverMany
	switch {
	case of == leasesInOrder && o.Only != "":
		query = firstOfMany
	case of == leasesInOrder:
		query = firstOverMany
	case o.Only != "":
		query = leasesOfMany
	}
	return t.arrivals(nil, o.Limit, query, []any{t.namespace, points, ranges, cmp.Or(o.Only, o.Skip)})
}

// placesMany returns the places of waiters that overlap with one of many claims,
// unordered; full if there may be more than it has read.
func (t *transaction) placesMany(o rules.Overlap) (found []rules.Place, full bool, err error) {
	points, ranges, err := keysOver(o)
	if err != nil {
		return nil, false, err
	}
	after, before := between(o)
	args := []any{t.namespace, points, ranges, o.Skip, after.Key, after.Arrival, before.Key, before.Arrival, fewWaiters}
	err = t.Each(waitersMany, args, func(scan func(...any) error) error {
		var p rules.Place
		err := scan(&p.Key, &p.Arrival)
		found = append(found, p)
		return err
	})
	return found, len(found) == fewWaiters, err
}
