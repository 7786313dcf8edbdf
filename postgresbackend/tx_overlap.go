package postgresbackend

import (
	"cmp"
	"math"

	"github.com/jackc/pgx/v5"

	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/lease"
)

// What conflicts with a claim is found in a few ranges of lease_claims' key
// (path, kind, waiting, key, arrival), so a question costs the same
// whatever else is held.

const (
	points = `unnest($1::text[], $2::smallint[]) AS p(path, kind) CROSS JOIN LATERAL`
	ranges = `unnest($3::text[], $4::text[], $5::smallint[]) AS p(low, high, kind) CROSS JOIN LATERAL`
	atKey  = `FROM {}.lease_claims WHERE path = p.path COLLATE "C" AND kind = p.kind AND `
	inKeys = `FROM {}.lease_claims WHERE path > p.low COLLATE "C" AND path < p.high COLLATE "C" AND kind = p.kind AND `

	// Nobody has the empty name.
	ofLeases  = `waiting = 0 AND ($6 = '' OR holder <> $6 COLLATE "C") AND ($7 = '' OR holder = $7 COLLATE "C")`
	ofWaiters = `waiting = 1 AND ($6 = '' OR holder <> $6 COLLATE "C") AND (key, arrival) > ($7::bigint, $8::bigint) AND (key, arrival) < ($9::bigint, $10::bigint)`

	leasesOver = `SELECT ` + columns + ` FROM {}.leases WHERE arrival = ANY(ARRAY(
			SELECT c.arrival FROM ` + points + ` (SELECT arrival ` + atKey + ofLeases + ` LIMIT $8) AS c
			UNION
			SELECT c.arrival FROM ` + ranges + ` (SELECT arrival ` + inKeys + ofLeases + ` LIMIT $8) AS c))
		ORDER BY arrival LIMIT $8`

	// Of a path's long queue only as much is read, in its order, as is asked for.
	waitersOver = `SELECT ` + columns + ` FROM {}.leases WHERE arrival = ANY(ARRAY(
			SELECT arrival FROM (
				SELECT c.key, c.arrival FROM ` + points + ` (SELECT key, arrival ` + atKey + ofWaiters + ` ORDER BY key, arrival LIMIT $11) AS c
				UNION
				SELECT c.key, c.arrival FROM ` + ranges + ` (SELECT key, arrival ` + inKeys + ofWaiters + ` ORDER BY key, arrival LIMIT $11) AS c
				ORDER BY 1, 2 LIMIT $11) AS first))
		ORDER BY key, arrival`
)

// overlapArgs are the arguments of leasesOver or waitersOver.
func overlapArgs(namespace int32, status lease.Status, o rules.Overlap) []any {
	k := keysOver(namespace, o)
	limit := o.Limit
	if !k.exact { // what else is found must not take the place of what is asked for
		limit = math.MaxInt32
	}
	args := []any{k.paths, k.kinds, k.lows, k.highs, k.rangeKinds, o.Skip}
	if status == lease.Active {
		return append(args, o.Only, limit)
	}
	after, before := rules.Place{Key: math.MinInt64}, rules.Place{Key: math.MaxInt64}
	if o.After != nil {
		after = *o.After
	}
	if o.Before != nil {
		before = *o.Before
	}
	return append(args, after.Key, after.Arrival, before.Key, before.Arrival, limit)
}

// Leases implements [rules.Tx].
func (t *transaction) Leases(o rules.Overlap) ([]*rules.Record, error) {
	return t.overlapping(t.store.sql.leasesOver, lease.Active, o)
}

// Waiters implements [rules.Tx].
func (t *transaction) Waiters(o rules.Overlap) ([]*rules.Record, error) {
	if t.counters.Waiting == 0 {
		return nil, nil
	}
	return t.overlapping(t.store.sql.waitersOver, lease.Pending, o)
}

func (t *transaction) overlapping(query string, status lease.Status, o rules.Overlap) ([]*rules.Record, error) {
	if !t.known.asked(o.Claims) {
		var w wanted
		var b pgx.Batch
		t.want(&w, o.Claims)
		t.read(&b, w)
		if err := t.send(&b); err != nil {
			return nil, err
		}
	}
	if t.known.covers(o.Claims) {
		return t.known.overlapping(status, o), nil
	}
	rs, err := t.records(query, overlapArgs(t.namespace, status, o)...)
	if err != nil {
		return nil, err
	}
	return onlySelected(rs, status, o), nil
}

// onlySelected leaves out what else was found at the keys of long paths.
func onlySelected(rs []*rules.Record, status lease.Status, o rules.Overlap) []*rules.Record {
	kept := rs[:0]
	for _, r := range rs {
		if selects(o, r) {
			kept = append(kept, r)
		}
	}
	return sorted(kept, status, cmp.Or(o.Limit, len(kept)))
}
