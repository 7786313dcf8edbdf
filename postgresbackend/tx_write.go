package postgresbackend

import (
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/internal/rowtext"
	"github.com/leasekit/leasekit/lease"
)

const deleteLeases = `DELETE FROM {}.leases WHERE arrival = ANY($1::bigint[])`

// Put implements [rules.Tx].
func (t *transaction) Put(r *rules.Record) error {
	if _, err := t.Find(r.ID); err != nil { // mostly known
		return err
	}
	if old := t.known.entries[r.ID]; old != nil {
		// It was asked for before and withdrawn, or is forgotten.
		if old.exists {
			t.replaced = append(t.replaced, old)
		}
		t.ended--
	}
	t.written = true
	t.noteClient(r)
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
	t.noteClient(r)
	e.r, e.dirty = copied(r), true
	return nil
}

const updateLabels = `UPDATE {}.leases SET labels = $2 WHERE arrival = $1`

// Relabel implements [rules.Tx].
func (t *transaction) Relabel(r *rules.Record) error {
	if err := t.Update(r, r.Status); err != nil {
		return err
	}
	t.known.entries[r.ID].labels = true
	return nil
}

// relabel writes the labels of an entry, if they have changed.
func (t *transaction) relabel(b *pgx.Batch, e *entry) error {
	if !e.labels {
		return nil
	}
	e.labels = false
	labels, err := rowtext.Text(e.r.Labels, len(e.r.Labels) == 0)
	b.Queue(t.store.sql.updateLabels, e.r.Arrival, labels)
	return err
}

// writes are the values of rows that are written together.
type writes struct {
	inserted, updated, unclaimed, claimed, unchained, chained []any
}

// flush adds the statements that write what has changed.
func (t *transaction) flush(b *pgx.Batch) error {
	var w writes
	for _, e := range t.known.entries {
		if e == nil || !e.dirty {
			continue
		}
		if e.exists {
			if err := t.relabel(b, e); err != nil {
				return err
			}
		}
		if err := w.add(t.namespace, e); err != nil {
			return err
		}
	}
	sql := &t.store.sql
	var replaced []int64
	for _, e := range t.replaced {
		replaced = append(replaced, e.r.Arrival)
		if !e.stored.Ended() { // it has ended in this transaction
			w.unclaimed = appendClaims(w.unclaimed, t.namespace, e.r, e.stored, false)
			w.unchained = appendChain(w.unchained, t.namespace, e.r, e.stored)
		}
	}
	if t.replaced = nil; len(replaced) > 0 {
		b.Queue(sql.deleteLeases, replaced)
	}
	sql.updateLeases.write(b, w.updated)
	sql.insertLeases.write(b, w.inserted)
	sql.deleteClaims.write(b, w.unclaimed)
	sql.insertClaims.write(b, w.claimed)
	sql.deleteChains.write(b, w.unchained)
	sql.insertChains.write(b, w.chained)
	sql.insertEvents.write(b, t.events)
	t.events = nil
	t.flushTombstones(b)
	return nil
}

// add writes an entry as it now is.
func (w *writes) add(namespace int32, e *entry) error {
	if e.exists {
		w.updated = appendUpdated(w.updated, e.r)
	} else {
		var err error
		if w.inserted, err = appendInserted(w.inserted, namespace, e.r); err != nil {
			return err
		}
	}
	had, has := e.exists && !e.stored.Ended(), !e.r.Status.Ended()
	if had && (!has || e.stored != e.r.Status) {
		w.unclaimed = appendClaims(w.unclaimed, namespace, e.r, e.stored, false)
		w.unchained = appendChain(w.unchained, namespace, e.r, e.stored)
	}
	if has && (!had || e.stored != e.r.Status) {
		w.claimed = appendClaims(w.claimed, namespace, e.r, e.r.Status, true)
		w.chained = appendChain(w.chained, namespace, e.r, e.r.Status)
	}
	e.exists, e.dirty, e.stored = true, false, e.r.Status
	return nil
}

const insertEvents = `INSERT INTO {}.lease_history (namespace, seq, kind, at, recorded_at, lease_id, lease, actor, reason) SELECT * FROM @ AS v`

var eventTypes = strings.Fields(`integer bigint text bigint bigint text text text text`)

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
	t.mark = markOf(e, t.counters.Now)
	t.events = append(t.events, t.namespace, int64(e.Seq), string(e.Kind), e.At.UnixMilli(), t.counters.Now, string(e.Lease.ID), string(text),
		e.Actor, e.Reason)
	return nil
}

const (
	insertTombstones = `INSERT INTO {}.lease_tombstones (namespace, name, until) SELECT $1::integer, * FROM unnest($2::text[], $3::bigint[])
		ON CONFLICT (name, namespace) DO UPDATE SET until = excluded.until`
	purgeTombstones = `DELETE FROM {}.lease_tombstones WHERE namespace = $1 AND name = ANY(ARRAY(
		SELECT name FROM {}.lease_tombstones WHERE namespace = $1 AND until <= $2 ORDER BY until LIMIT $3))`
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
	forgetEnded = `DELETE FROM {}.leases WHERE arrival = ANY(ARRAY(
		SELECT arrival FROM {}.leases WHERE namespace = $1 AND ended_at > 0 AND ended_at <= $2 ORDER BY ended_at, arrival LIMIT $3))`
	trimHistory = `DELETE FROM {}.lease_history WHERE namespace = $1 AND seq <= (
		SELECT max(seq) FROM (SELECT seq, recorded_at FROM {}.lease_history WHERE namespace = $1 ORDER BY seq LIMIT $4) AS oldest
		WHERE recorded_at <= $2 OR seq <= $3)`
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
