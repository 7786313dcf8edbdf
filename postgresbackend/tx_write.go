package postgresbackend

import (
	"github.com/jackc/pgx/v5"

	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/internal/claimkeys"
	"github.com/leasekit/leasekit/internal/rowtext"
	"github.com/leasekit/leasekit/lease"
)

const deleteLeases = `DELETE FROM {}.leases WHERE namespace = $1 AND arrival = ANY($2::bigint[])`

// Put implements [rules.Tx].
func (t *transaction) Put(r *rules.Record) error {
	if _, err := t.Find(r.ID); err != nil { // mostly known
		return err
	}
	if old := t.known.entries[r.ID]; old != nil {
		// It was asked for before and withdrawn, or is forgotten: what has ended
		// has no claims any more.
		if old.exists {
			t.replaced = append(t.replaced, old.r.Arrival)
		}
		t.ended--
	}
	t.written = true
	t.known.put(&entry{r: copied(r), dirty: true})
	return nil
}

// Update implements [rules.Tx].
func (t *transaction) Update(r *rules.Record, was lease.Status) error {
	e := t.known.entries[r.ID]
	if e == nil {
		e = t.known.add(copied(r))
		e.stored = was
	}
	if r.Status.Ended() && !was.Ended() {
		t.ended++
	}
	t.written = true
	e.r, e.dirty = copied(r), true
	return nil
}

// writes are rows that are written together.
type writes struct {
	inserted  inserted
	updated   updated
	unclaimed claimRows
	claimed   claimRows
	unchained chainRows
	chained   chainRows
}

// flush adds the statements that write what has changed.
func (t *transaction) flush(b *pgx.Batch) error {
	var w writes
	for _, e := range t.known.entries {
		if e == nil || !e.dirty {
			continue
		}
		if err := w.add(e); err != nil {
			return err
		}
	}
	sql := &t.store.sql
	if len(t.replaced) > 0 {
		b.Queue(sql.deleteLeases, t.namespace, t.replaced)
		t.replaced = nil
	}
	if len(w.updated.arrival) > 0 {
		b.Queue(sql.updateLeases, w.updated.args(t.namespace)...)
	}
	if len(w.inserted.arrival) > 0 {
		b.Queue(sql.insertLeases, w.inserted.args(t.namespace)...)
	}
	if c := &w.unclaimed; len(c.path) > 0 {
		b.Queue(sql.deleteClaims, t.namespace, c.path, c.kind, c.waiting, c.key, c.arrival)
	}
	if c := &w.claimed; len(c.path) > 0 {
		b.Queue(sql.insertClaims, t.namespace, c.path, c.kind, c.waiting, c.key, c.arrival, c.holder)
	}
	if c := &w.unchained; len(c.member) > 0 {
		b.Queue(sql.deleteChains, t.namespace, c.member, c.waiting, c.arrival)
	}
	if c := &w.chained; len(c.member) > 0 {
		b.Queue(sql.insertChains, t.namespace, c.member, c.waiting, c.arrival)
	}
	t.flushEvents(b)
	t.flushTombstones(b)
	return nil
}

// add writes an entry as it now is.
func (w *writes) add(e *entry) error {
	if e.exists {
		w.updated.add(e.r)
	} else if err := w.inserted.add(e.r); err != nil {
		return err
	}
	had, has := e.exists && !e.stored.Ended(), !e.r.Status.Ended()
	if had && (!has || e.stored != e.r.Status) {
		w.unclaimed.add(e.r, e.stored)
		w.unchained.add(e.r, e.stored)
	}
	if has && (!had || e.stored != e.r.Status) {
		w.claimed.add(e.r, e.r.Status)
		w.chained.add(e.r, e.r.Status)
	}
	e.exists, e.dirty, e.stored = true, false, e.r.Status
	return nil
}

// add adds the record's claims as those of a waiter or of a lease. Two of them
// may have one key: shared and exclusive ones are never both there, but paths
// that are cut have the same only if they are the same.
func (c *claimRows) add(r *rules.Record, status lease.Status) {
	waiting, key := claimed(status, r.Key)
	for _, claim := range r.Claims {
		c.path, c.kind = append(c.path, pathKey(claim.Path)), append(c.kind, int16(claimkeys.Kind(claim)))
		c.waiting, c.key = append(c.waiting, waiting), append(c.key, key)
		c.arrival, c.holder = append(c.arrival, r.Arrival), append(c.holder, r.Holder)
	}
}

func (c *chainRows) add(r *rules.Record, status lease.Status) {
	waiting, _ := claimed(status, 0)
	for _, member := range r.Chain {
		c.member, c.waiting, c.arrival = append(c.member, string(member)), append(c.waiting, waiting), append(c.arrival, r.Arrival)
	}
}

// eventRows are rows of lease_history.
type eventRows struct {
	seq, at, recorded              []int64
	kind, id, lease, actor, reason []string
}

const insertEvents = `INSERT INTO {}.lease_history (namespace, seq, kind, at, recorded_at, lease_id, lease, actor, reason)
	SELECT $1::integer, * FROM unnest($2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::text[], $9::text[])`

// Append implements [rules.Tx].
func (t *transaction) Append(e lease.Event) error {
	var text []byte
	if e.Lease.ID != "" {
		var err error
		if text, err = rowtext.AppendLease(nil, &e.Lease); err != nil {
			return err
		}
	}
	t.written = true
	w := &t.events
	w.seq, w.kind, w.at = append(w.seq, int64(e.Seq)), append(w.kind, string(e.Kind)), append(w.at, e.At.UnixMilli())
	w.recorded, w.id, w.lease = append(w.recorded, t.counters.Now), append(w.id, string(e.Lease.ID)), append(w.lease, string(text))
	w.actor, w.reason = append(w.actor, e.Actor), append(w.reason, e.Reason)
	return nil
}

func (t *transaction) flushEvents(b *pgx.Batch) {
	if w := t.events; len(w.seq) > 0 {
		b.Queue(t.store.sql.insertEvents, t.namespace, w.seq, w.kind, w.at, w.recorded, w.id, w.lease, w.actor, w.reason)
		t.events = eventRows{}
	}
}

const (
	insertTombstones = `INSERT INTO {}.lease_tombstones (namespace, name, until) SELECT $1::integer, * FROM unnest($2::text[], $3::bigint[])
		ON CONFLICT (namespace, name) DO UPDATE SET until = excluded.until`
	purgeTombstones = `DELETE FROM {}.lease_tombstones WHERE namespace = $1 AND name IN (
		SELECT name FROM {}.lease_tombstones WHERE namespace = $1 AND until <= $2 ORDER BY until LIMIT $3)`
)

// AddTombstone implements [rules.Tx].
func (t *transaction) AddTombstone(name string, until int64) error {
	t.written = true
	t.tombstones[name], t.buried[name] = until, until
	return nil
}

// flushTombstones writes the new ones. Each removes two whose time is over, so
// that there are never many more than still matter.
func (t *transaction) flushTombstones(b *pgx.Batch) {
	if len(t.buried) == 0 {
		return
	}
	names, until := make([]string, 0, len(t.buried)), make([]int64, 0, len(t.buried))
	for name, at := range t.buried {
		names, until = append(names, name), append(until, at)
	}
	b.Queue(t.store.sql.purgeTombstones, t.namespace, t.counters.Now, 2*len(names))
	b.Queue(t.store.sql.insertTombstones, t.namespace, names, until)
	clear(t.buried)
}

const (
	forgetEnded = `DELETE FROM {}.leases WHERE namespace = $1 AND arrival IN (
		SELECT arrival FROM {}.leases WHERE namespace = $1 AND ended_at > 0 AND ended_at <= $2 ORDER BY ended_at, arrival LIMIT $3)`
	trimHistory = `DELETE FROM {}.lease_history WHERE namespace = $1 AND seq IN (
		SELECT seq FROM {}.lease_history WHERE namespace = $1 AND (recorded_at <= $2 OR seq <= $3)
			AND seq < (SELECT min(seq) FROM {}.lease_history WHERE namespace = $1) + $4
		ORDER BY seq LIMIT $4)`
)

// change writes what has changed, and then runs a statement.
func (t *transaction) change(query string, args ...any) (int, error) {
	t.written = true
	var b pgx.Batch
	if err := t.flush(&b); err != nil {
		return 0, err
	}
	if err := t.send(&b); err != nil {
		return 0, err
	}
	tag, err := t.conn.Exec(t.ctx, query, args...)
	return int(tag.RowsAffected()), err
}

// Forget implements [rules.Tx].
func (t *transaction) Forget(f rules.Forget) (int, error) {
	if _, err := t.change(t.store.sql.purgeTombstones, t.namespace, f.Now, f.Limit); err != nil {
		return 0, err
	}
	clear(t.tombstones)
	n, err := t.change(t.store.sql.forget, t.namespace, f.Before, f.Limit)
	t.ended -= n
	if beyond := min(t.ended-f.Keep, f.Limit-n); err == nil && beyond > 0 {
		var more int
		more, err = t.change(t.store.sql.forget, t.namespace, f.Spare, beyond)
		t.ended -= more
		n += more
	}
	t.known = newKnown() // some of it was removed
	return n, err
}

// Trim implements [rules.Tx].
func (t *transaction) Trim(before int64, keep, limit int) (int, error) {
	beyond := int64(-1) // events up to this one are beyond the newest keep
	if keep > 0 {
		beyond = int64(t.counters.Seq) - int64(keep)
	}
	return t.change(t.store.sql.trim, t.namespace, before, beyond, limit)
}
