package postgresbackend

import (
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/internal/claimkeys"
	"github.com/leasekit/leasekit/internal/groupcommit"
	"github.com/leasekit/leasekit/lease"
)

// mostAhead is up to how many records at one path, or below a tree, are read
// ahead. Where there are more, each question is put to the server.
const mostAhead = 256

// readAhead reads records by their IDs, and those with claims at points (a path
// and the least kind) and in ranges of paths.
const readAhead = readAheadBy + `))`

// readContended reads also those of holders, and the waiters that name leases: it
// matters only where somebody waits.
const readContended = readAheadBy + `
		UNION ALL
		SELECT c.arrival FROM unnest($8::text[]) AS p(holder) CROSS JOIN LATERAL (
			SELECT arrival FROM {}.leases WHERE holder = p.holder COLLATE "C" AND namespace = $1 AND ended_at = 0
			ORDER BY holder, namespace, status, arrival LIMIT $7) AS c
		UNION ALL
		SELECT c.arrival FROM unnest($9::text[]) AS p(id) CROSS JOIN LATERAL (
			SELECT arrival FROM {}.leases WHERE replace_id = p.id COLLATE "C" AND namespace = $1 AND replace_id <> '' AND ended_at = 0 AND status = 'pending' LIMIT $7) AS c
		UNION ALL
		SELECT c.arrival FROM unnest($9::text[]) AS p(id) CROSS JOIN LATERAL (
			SELECT arrival FROM {}.leases WHERE parent_id = p.id COLLATE "C" AND namespace = $1 AND parent_id <> '' AND ended_at = 0 AND status = 'pending' LIMIT $7) AS c))`

const readAheadBy = `SELECT ` + columns + ` FROM {}.leases WHERE arrival = ANY(ARRAY(
		SELECT arrival FROM {}.leases WHERE namespace = $1 AND id = ANY($2::text[])
		UNION ALL
		SELECT c.arrival FROM unnest($3::text[], $4::smallint[]) AS p(path, kind) CROSS JOIN LATERAL (
			SELECT arrival FROM {}.lease_claims WHERE path = p.path COLLATE "C" AND kind >= p.kind
			ORDER BY path, kind, waiting, key, arrival LIMIT $7) AS c
		UNION ALL
		SELECT c.arrival FROM unnest($5::text[], $6::text[]) AS p(low, high) CROSS JOIN LATERAL (
			SELECT arrival FROM {}.lease_claims WHERE path > p.low COLLATE "C" AND path < p.high COLLATE "C"
			ORDER BY path, kind, waiting, key, arrival LIMIT $7) AS c`

// wanted is what is to be read ahead.
type wanted struct {
	ids         []string
	paths       []string
	kinds       []int16
	lows, highs []string
	holders     []string
	named       []string
	areas       []lease.Claim // exclusive ones: whatever conflicts with a claim conflicts with the exclusive one
}

// want adds the claims that are not known yet.
func (t *transaction) want(w *wanted, claims []lease.Claim) {
	at := make(map[string]int, len(w.paths))
	for i, path := range w.paths {
		at[path] = i
	}
	point := func(path string, kind int16) {
		path = pathKey(t.namespace, path)
		if i, ok := at[path]; ok {
			w.kinds[i] = min(w.kinds[i], kind)
			return
		}
		at[path] = len(w.paths)
		w.paths, w.kinds = append(w.paths, path), append(w.kinds, kind)
	}
	for _, c := range claims {
		c.Mode = lease.Exclusive
		if _, asked := t.known.covered[area{c.Path, c.Scope}]; asked || slices.Contains(w.areas, c) {
			continue
		}
		w.areas = append(w.areas, c)
		point(c.Path, 0)
		for _, up := range claimkeys.Above(c.Path) {
			point(up, 2) // trees
		}
		if c.Scope == lease.Tree {
			low, high, _ := below(t.namespace, c.Path)
			w.lows, w.highs = append(w.lows, low), append(w.highs, high)
		}
	}
}

func (w *wanted) empty() bool { return len(w.ids)+len(w.areas)+len(w.holders)+len(w.named) == 0 }

// readAhead reads what these calls will ask for.
func (t *transaction) readAhead(b *pgx.Batch, calls []*groupcommit.Call[*transaction]) {
	var w wanted
	var names []string
	for _, c := range calls {
		if c.Subject != "" {
			if _, ok := t.known.entries[c.Subject]; !ok {
				w.ids = append(w.ids, string(c.Subject))
			}
		}
		if c.Attempt != "" {
			names = append(names, c.Attempt)
		}
		t.want(&w, c.Claims)
		if t.store.contended.Load() {
			if _, asked := t.known.holders[c.Holder]; !asked && c.Holder != "" {
				w.holders = append(w.holders, c.Holder)
			}
			if _, asked := t.known.named[c.Subject]; !asked && c.Subject != "" {
				w.named = append(w.named, string(c.Subject))
			}
		}
	}
	t.read(b, w)
	if len(names) > 0 && t.store.withdrawn.Load() {
		b.Queue(t.store.sql.tombstones, t.namespace, names).Query(func(rows pgx.Rows) error {
			for _, name := range names {
				if _, ok := t.tombstones[name]; !ok {
					t.tombstones[name] = 0
				}
			}
			return t.readTombstones(rows)
		})
	}
}

// read reads what is wanted, and takes it in.
func (t *transaction) read(b *pgx.Batch, w wanted) {
	if w.empty() {
		return
	}
	query, args := t.store.sql.ahead, []any{t.namespace, w.ids, w.paths, w.kinds, w.lows, w.highs, mostAhead}
	if len(w.holders)+len(w.named) > 0 {
		query, args = t.store.sql.contended, append(args, w.holders, w.named)
	}
	b.Queue(query, args...).Query(func(rows pgx.Rows) error {
		rs, err := readRecords(rows)
		if err != nil {
			return err
		}
		for _, c := range w.areas {
			t.known.covered[area{c.Path, c.Scope}] = t.conflicting(rs, c) < mostAhead
		}
		for _, holder := range w.holders {
			t.known.holders[holder] = counted(rs, func(r *rules.Record) bool { return r.Holder == holder })
		}
		for _, id := range w.named {
			t.known.named[lease.ID(id)] = counted(rs, func(r *rules.Record) bool { return names(r, lease.ID(id)) })
		}
		for _, r := range rs {
			t.known.add(r)
		}
		for _, id := range w.ids {
			if _, ok := t.known.entries[lease.ID(id)]; !ok {
				t.known.entries[lease.ID(id)] = nil
			}
		}
		return nil
	})
}

// conflicting returns how many rows of claims may have been found at the keys of
// an exclusive claim, by the records that were.
func (t *transaction) conflicting(rs []*rules.Record, c lease.Claim) int {
	n := 0
	for _, r := range rs {
		for _, d := range r.Claims {
			if !r.Status.Ended() && lease.Conflict(c, d) {
				n++
			}
		}
	}
	if _, _, exact := below(t.namespace, c.Path); c.Scope == lease.Tree && !exact {
		return max(n, mostAhead)
	}
	return n
}

// counted reports whether fewer records match than are read of any kind: so these
// are all.
func counted(rs []*rules.Record, match func(*rules.Record) bool) bool {
	n := 0
	for _, r := range rs {
		if match(r) {
			n++
		}
	}
	return n < mostAhead
}

// names reports whether r would replace this lease, or is under it.
func names(r *rules.Record, id lease.ID) bool { return r.Replace.ID == id || r.Parent.ID == id }

// Find implements [rules.Tx].
func (t *transaction) Find(id lease.ID) (*rules.Record, error) {
	e, ok := t.known.entries[id]
	if !ok {
		var b pgx.Batch
		t.read(&b, wanted{ids: []string{string(id)}})
		if err := t.send(&b); err != nil {
			return nil, err
		}
		e = t.known.entries[id]
	}
	if e == nil {
		return nil, nil
	}
	return copied(e.r), nil
}

// records returns what a query selects, after writing what has changed.
func (t *transaction) records(query string, args ...any) ([]*rules.Record, error) {
	var b pgx.Batch
	if err := t.flush(&b); err != nil {
		return nil, err
	}
	var found []*rules.Record
	b.Queue(query, args...).Query(func(rows pgx.Rows) (err error) {
		found, err = readRecords(rows)
		return err
	})
	if err := t.send(&b); err != nil {
		return nil, err
	}
	for i, r := range found {
		found[i] = copied(t.known.add(r).r)
	}
	return found, nil
}

const (
	selectLeases = `SELECT ` + columns + ` FROM {}.leases WHERE namespace = $1 AND `

	leasesOf  = selectLeases + `holder = $2 AND ended_at = 0 AND status = 'active' ORDER BY arrival LIMIT $3`
	waitersOf = selectLeases + `holder = $2 AND ended_at = 0 AND status = 'pending' ORDER BY key, arrival LIMIT $3`
	countOf   = `SELECT count(*) FROM {}.leases WHERE namespace = $1 AND holder = $2 AND ended_at = 0 AND deadline > $3`

	dependents = `SELECT ` + columns + ` FROM {}.leases WHERE arrival = ANY(ARRAY(
			SELECT arrival FROM {}.leases WHERE namespace = $1 AND replace_id = $2 AND replace_id <> '' AND ended_at = 0 AND status = 'pending'
			UNION ALL
			SELECT arrival FROM {}.leases WHERE namespace = $1 AND parent_id = $2 AND parent_id <> '' AND ended_at = 0 AND status = 'pending'))
		ORDER BY key, arrival LIMIT $3`
	chained = `SELECT ` + columns + ` FROM {}.leases WHERE arrival = ANY(ARRAY(
			SELECT arrival FROM {}.lease_chains WHERE namespace = $1 AND member = $2 AND waiting = $3 ORDER BY arrival LIMIT $4))
		ORDER BY arrival`
	due     = selectLeases + `ended_at = 0 AND deadline > 0 AND deadline <= $2 ORDER BY deadline, arrival LIMIT $3`
	endedAt = selectLeases + `ended_at > 0 AND ended_at = $2 ORDER BY arrival`
)

// LeasesOf implements [rules.Tx].
func (t *transaction) LeasesOf(holder string, limit int) ([]*rules.Record, error) {
	return t.of(t.store.sql.leasesOf, lease.Active, holder, limit)
}

// WaitersOf implements [rules.Tx].
func (t *transaction) WaitersOf(holder string, limit int) ([]*rules.Record, error) {
	if t.counters.Waiting == 0 {
		return nil, nil
	}
	return t.of(t.store.sql.waitersOf, lease.Pending, holder, limit)
}

func (t *transaction) of(query string, status lease.Status, holder string, limit int) ([]*rules.Record, error) {
	if _, asked := t.known.holders[holder]; !asked {
		var b pgx.Batch
		t.read(&b, wanted{holders: []string{holder}})
		if err := t.send(&b); err != nil {
			return nil, err
		}
	}
	if t.known.holders[holder] {
		return t.known.picked(status, limit, func(r *rules.Record) bool { return r.Holder == holder }), nil
	}
	return t.records(query, t.namespace, holder, limit)
}

// Dependents implements [rules.Tx].
func (t *transaction) Dependents(id lease.ID, limit int) ([]*rules.Record, error) {
	if t.counters.Waiting == 0 {
		return nil, nil
	}
	if _, asked := t.known.named[id]; !asked {
		var b pgx.Batch
		t.read(&b, wanted{named: []string{string(id)}})
		if err := t.send(&b); err != nil {
			return nil, err
		}
	}
	if t.known.named[id] {
		return t.known.picked(lease.Pending, limit, func(r *rules.Record) bool { return names(r, id) }), nil
	}
	return t.records(t.store.sql.dependents, t.namespace, string(id), limit)
}

// Chained implements [rules.Tx].
func (t *transaction) Chained(id lease.ID, status lease.Status, limit int) ([]*rules.Record, error) {
	if t.counters.Subleases == 0 {
		return nil, nil
	}
	waiting, _ := claimed(status, 0)
	return t.records(t.store.sql.chained, t.namespace, string(id), waiting, limit)
}

// Due implements [rules.Tx].
func (t *transaction) Due(now int64, limit int) ([]*rules.Record, error) {
	return t.records(t.store.sql.due, t.namespace, now, limit)
}

// EndedAt implements [rules.Tx].
func (t *transaction) EndedAt(moment int64) ([]*rules.Record, error) {
	return t.records(t.store.sql.endedAt, t.namespace, moment)
}

// Count implements [rules.Tx].
func (t *transaction) Count(holder string, now int64) (n int, err error) {
	var b pgx.Batch
	if err := t.flush(&b); err != nil {
		return 0, err
	}
	b.Queue(t.store.sql.count, t.namespace, holder, now).QueryRow(func(row pgx.Row) error { return row.Scan(&n) })
	return n, t.send(&b)
}

// Select implements [rules.Tx].
func (t *transaction) Select(q lease.Query, after int64, limit int) ([]*rules.Record, error) {
	f := living(q, t.namespace, t.store.sql.schema)
	if len(q.Status) == 1 {
		f.add(` AND status = `, q.Status[0].String())
	}
	query, args := f.page(after, limit)
	return t.records(query, args...)
}

const (
	readTombstones = `SELECT name, until FROM {}.lease_tombstones WHERE namespace = $1 AND name = ANY($2::text[])`
	readTombstone  = `SELECT name, until FROM {}.lease_tombstones WHERE namespace = $1 AND name = $2`
)

func (t *transaction) readTombstones(rows pgx.Rows) error {
	for rows.Next() {
		var name string
		var until int64
		if err := rows.Scan(&name, &until); err != nil {
			return err
		}
		t.tombstones[name] = until
	}
	maps.Copy(t.tombstones, t.buried) // newer
	return rows.Err()
}

// Tombstone implements [rules.Tx].
func (t *transaction) Tombstone(name string) (until int64, err error) {
	if until, ok := t.tombstones[name]; ok {
		return until, nil
	}
	var b pgx.Batch
	b.Queue(t.store.sql.tombstone, t.namespace, name).Query(t.readTombstones)
	err = t.send(&b)
	return t.tombstones[name], err
}
