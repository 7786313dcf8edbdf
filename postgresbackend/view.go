package postgresbackend

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/internal/claimkeys"
	"github.com/leasekit/leasekit/internal/rowtext"
	"github.com/leasekit/leasekit/lease"
)

// eventWait is how long a watcher that found nothing waits.
const eventWait = 25 * time.Millisecond

// view is the namespace at one moment: it implements [rules.View]. It waits for
// no writer, and no writer for it.
type view struct {
	ctx       context.Context
	conn      *pgx.Conn
	store     *Store
	namespace int32
}

// The time is that of BEGIN, before the snapshot: nothing that is renewed until then
// looks expired.
const loadView = `SELECT k.seq, k.token, k.arrivals, k.waiting, k.tombstones, k.subleases, k.now, k.refused, c.config, transaction_timestamp(), pg_is_in_recovery(),
	` + findMark + `
	FROM {}.lease_counters k JOIN {}.lease_configs c USING (namespace) WHERE k.namespace = $1`

// read runs f on a view, and again on another connection if the first one broke:
// f only reads.
func read[T any](ctx context.Context, s *Store, doing string, f func(rules.View) (T, error)) (T, error) {
	var reply T
	for attempt := 1; ; attempt++ {
		err := s.withConn(ctx, func(conn *pgx.Conn) (err error) {
			reply, err = f(&view{ctx: ctx, conn: conn, store: s, namespace: s.namespace})
			if !conn.IsClosed() {
				// It has only read. If this fails, the connection is closed.
				_, _ = conn.Exec(context.WithoutCancel(ctx), `ROLLBACK`)
			}
			return err
		})
		switch {
		case err == nil:
			return reply, nil
		case attempt == maxAttempts, ctx.Err() != nil, !broke(err):
			var none T
			return none, readFailed(ctx, doing, err)
		}
		s.dropBroken(ctx)
	}
}

// readFailed is a read's error: the context's own if it has ended, since a
// driver may report its interruption in words of its own.
func readFailed(ctx context.Context, doing string, err error) error {
	switch {
	case errors.Is(err, lease.ErrTrimmed), errors.Is(err, lease.ErrRegressed), errors.Is(err, lease.ErrInvalid), errors.Is(err, lease.ErrUnavailable):
		return err
	case ctx.Err() != nil:
		return errors.Join(ctx.Err(), err)
	}
	return unavailable(doing, err)
}

// Load implements [rules.View].
func (v *view) Load() (rules.State, error) {
	s := v.store
	before, latest := s.seen(), s.latest.Load()
	state := rules.State{Counters: &rules.Counters{}}
	var config []byte
	found, replica := false, false
	var marked *string
	var b pgx.Batch
	b.Queue(`BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY`)
	b.Queue(settings, "")
	b.Queue(s.sql.view, v.namespace, int64(before.seq)).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			found = true
			c := state.Counters
			err := rows.Scan(&c.Seq, &c.Token, &c.Arrivals, &c.Waiting, &c.Tombstones, &c.Subleases, &c.Now, &c.Refused, &config, &state.Clock, &replica, &marked)
			if err != nil {
				return err
			}
		}
		return rows.Err()
	})
	if err := v.conn.SendBatch(v.ctx, &b).Close(); err != nil {
		return state, err
	}
	switch {
	case !found:
		return state, errNamespaceGone
	case replica: // of what has passed
		return state, errReplica
	}
	if err := s.regressed(*state.Counters, marked, before); err != nil {
		return state, err
	}
	state.Clock = s.options.clock(state.Clock)
	state.Counters.Now = s.passed(state.Counters.Now, latest, state.Clock)
	return state, json.Unmarshal(config, &state.Config)
}

func (v *view) records(query string, args ...any) ([]*rules.Record, error) {
	rows, err := v.conn.Query(v.ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	return readRecords(rows)
}

// Waiters is that of [rules.Tx].
func (v *view) Waiters(o rules.Overlap) ([]*rules.Record, error) {
	rs, err := v.records(v.store.sql.waitersOver, overlapArgs(v.namespace, lease.Pending, o)...)
	return onlySelected(rs, lease.Pending, o), err
}

// Page implements [rules.View].
func (v *view) Page(q lease.Query, after int64, limit int) ([]*rules.Record, error) {
	f := living(q, v.namespace, v.store.sql.schema)
	if q.ID != "" || slices.ContainsFunc(q.Status, lease.Status.Ended) {
		f = remembered(q, v.namespace, v.store.sql.schema)
	}
	query, args := f.page(after, limit)
	return v.records(query, args...)
}

// Events implements [rules.View].
func (v *view) Events(q lease.Query, last lease.Seq, limit int) ([]lease.Event, error) {
	f := filter{}
	f.text.WriteString(`SELECT seq, kind, at, lease_id, lease, actor, reason FROM ` + v.store.sql.schema + `.lease_history WHERE namespace = `)
	f.add(``, v.namespace)
	f.add(` AND seq > `, int64(q.After))
	f.add(` AND seq <= `, int64(last))
	if q.ID != "" {
		f.text.WriteString(` AND lease_id <> ''`)
		f.add(` AND lease_id = `, string(q.ID))
	}
	if len(q.Kinds) > 0 {
		kinds := make([]string, len(q.Kinds))
		for i, k := range q.Kinds {
			kinds[i] = string(k)
		}
		f.add(` AND kind = ANY(`, kinds)
		f.text.WriteString(`::text[])`)
	}
	f.add(` ORDER BY seq LIMIT `, limit)
	rows, err := v.conn.Query(v.ctx, f.text.String(), f.args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var events []lease.Event
	for rows.Next() {
		var e lease.Event
		var at int64
		var id lease.ID
		var text []byte
		if err := rows.Scan(&e.Seq, &e.Kind, &at, &id, &text, &e.Actor, &e.Reason); err != nil {
			return nil, err
		}
		e.At = time.UnixMilli(at).UTC()
		if len(text) > 0 {
			if e.Lease, err = rowtext.ReadLease(id, text); err != nil {
				return nil, err
			}
		}
		events = append(events, e)
	}
	return events, rows.Err()
}

const (
	oldestEvent = `SELECT coalesce(min(seq), 0) FROM {}.lease_history WHERE namespace = $1`
	countTotals = `SELECT count(*) FILTER (WHERE status = 'active'), count(*) FILTER (WHERE status = 'pending'),
			coalesce(min(created_at) FILTER (WHERE status = 'pending'), 0)
		FROM {}.leases WHERE namespace = $1 AND ended_at = 0 AND deadline > 0 AND deadline > $2`
)

// Oldest implements [rules.View].
func (v *view) Oldest() (oldest lease.Seq, err error) {
	err = v.conn.QueryRow(v.ctx, v.store.sql.oldest, v.namespace).Scan(&oldest)
	return oldest, err
}

// Totals implements [rules.View].
func (v *view) Totals(now int64) (t rules.Totals, err error) {
	err = v.conn.QueryRow(v.ctx, v.store.sql.totals, v.namespace, now).Scan(&t.Active, &t.Pending, &t.OldestWaiter)
	return t, err
}

// filter is a query that grows together with its arguments.
type filter struct {
	text strings.Builder
	args []any
	low  int64 // of the namespace's arrivals
}

// add appends text and an argument behind it.
func (f *filter) add(text string, arg any) {
	f.args = append(f.args, arg)
	f.text.WriteString(text + "$" + strconv.Itoa(len(f.args)))
}

func newFilter(namespace int32, schema string) *filter {
	f := &filter{low: int64(namespace) << spanBits}
	_, high := span(namespace)
	f.add(`SELECT `+columns+` FROM `+schema+`.leases WHERE arrival < `, high)
	return f
}

// living selects leases and waiters that have q's ID, Holder, Path and Under.
func living(q lease.Query, namespace int32, schema string) *filter {
	f := newFilter(namespace, schema)
	f.text.WriteString(` AND ended_at = 0`)
	if q.ID != "" {
		f.add(` AND id = `, string(q.ID))
		f.add(` AND namespace = `, namespace)
	}
	if q.Holder != "" {
		f.add(` AND holder = `, q.Holder)
	}
	at := `SELECT arrival FROM ` + schema + `.lease_claims WHERE path `
	if q.Path != "" {
		above := claimkeys.Above(q.Path)
		for i, up := range above {
			above[i] = pathKey(namespace, up)
		}
		f.add(` AND arrival = ANY(ARRAY(`+at+`= `, pathKey(namespace, q.Path))
		f.add(` UNION ALL `+at+`= ANY(`, above)
		f.text.WriteString(`::text[]) AND kind >= 2))`) // trees
	}
	if q.Under != "" {
		low, high, _ := below(namespace, q.Under) // a step looks again whether it matches
		f.add(` AND arrival = ANY(ARRAY(`+at+`= `, pathKey(namespace, q.Under))
		f.add(` UNION ALL `+at+`> `, low)
		f.add(` AND path < `, high)
		f.text.WriteString(`))`)
	}
	return f
}

// remembered selects leases in any status that may be q's. Claims of what has
// ended have no index.
func remembered(q lease.Query, namespace int32, schema string) *filter {
	f := newFilter(namespace, schema)
	if q.ID != "" {
		f.add(` AND id = `, string(q.ID))
		f.add(` AND namespace = `, namespace)
	}
	if q.Holder != "" {
		f.add(` AND holder = `, q.Holder)
	}
	return f
}

// page returns the query for those that come after this arrival.
func (f *filter) page(after int64, limit int) (query string, args []any) {
	f.add(` AND arrival > `, max(after, f.low))
	f.add(` ORDER BY arrival LIMIT `, limit)
	return f.text.String(), f.args
}
