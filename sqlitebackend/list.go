package sqlitebackend

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/leasekit/leasekit/backend/step"
	"github.com/leasekit/leasekit/lease"
)

// pageSize is how many leases List returns at a time.
const pageSize = 200

// selection is the condition for leases that live and have q's ID, Holder,
// Path and Under.
func selection(q lease.Query, namespace int64) *query {
	f := new(query)
	f.add(`namespace = ? AND status IN ('pending', 'active')`, namespace)
	if q.ID != "" {
		f.add(` AND id = ?`, q.ID)
	}
	if q.Holder != "" {
		f.add(` AND holder = ?`, q.Holder)
	}
	if q.Path != "" {
		f.add(` AND arrival IN (SELECT arrival FROM lease_claims WHERE namespace = ? AND waiting IN (0, 1) AND path = ?`, namespace, q.Path)
		for _, p := range above(q.Path) {
			f.add(` UNION ALL SELECT arrival FROM lease_claims WHERE namespace = ? AND waiting IN (0, 1) AND path = ? AND kind IN (2, 3)`, namespace, p)
		}
		f.add(`)`)
	}
	if q.Under != "" {
		low, high := below(q.Under)
		f.add(` AND arrival IN (SELECT arrival FROM lease_claims WHERE namespace = ? AND waiting IN (0, 1)
			AND (path = ? OR path > ? AND path < ?))`, namespace, q.Under, low, high)
	}
	return f
}

// remembered is the condition for leases in any status that may be q's. Claims
// of what has ended have no index.
func remembered(q lease.Query, namespace int64) *query {
	f := new(query)
	f.add(`namespace = ?`, namespace)
	if q.ID != "" {
		f.add(` AND id = ?`, q.ID)
	}
	if q.Holder != "" {
		f.add(` AND holder = ?`, q.Holder)
	}
	return f
}

// List implements [backend.Store].
func (s *Store) List(ctx context.Context, q lease.Query, cursor string) ([]lease.Lease, string, error) {
	var after int64
	if cursor != "" {
		var err error
		if after, err = strconv.ParseInt(cursor, 10, 64); err != nil {
			return nil, "", lease.Invalid("cursor", "%q", cursor)
		}
	}
	now, waiting, config, err := s.moment(ctx)
	if err != nil {
		return nil, "", readFailed(ctx, "list", err)
	}
	condition := selection(q, s.namespace)
	if q.ID != "" || slices.ContainsFunc(q.Status, lease.Status.Ended) {
		condition = remembered(q, s.namespace)
	}
	var rows []row
	err = s.db.reader.NewSelect().Model(&rows).Where(condition.text.String(), condition.args...).
		Where("arrival > ?", after).OrderExpr("arrival").Limit(pageSize).Scan(ctx)
	if err != nil {
		return nil, "", readFailed(ctx, "list", err)
	}
	var page []lease.Lease
	for _, w := range rows {
		after = w.Arrival
		r, err := w.record()
		if err != nil {
			return nil, "", unavailable("list", err)
		}
		l := r.LeaseAt(now)
		if r.Forgotten(now, config) || !q.Matches(l) || !q.MatchesStatus(l.Status) {
			continue
		}
		if q.ID != "" {
			l.Contention, err = step.Contend(reader{ctx, s}, r, waiting, now)
			if err != nil {
				return nil, "", readFailed(ctx, "list", err)
			}
		}
		page = append(page, l)
	}
	if len(rows) < pageSize {
		return page, "", nil
	}
	return page, strconv.FormatInt(after, 10), nil
}

// moment returns the store's clock, how many wait, and the configuration.
func (s *Store) moment(ctx context.Context) (now int64, waiting int, c lease.Config, err error) {
	if c, err = s.Config(ctx); err != nil {
		return 0, 0, c, err
	}
	var k step.Counters
	err = s.db.reader.DB.QueryRowContext(ctx, `SELECT now, "offset", waiting FROM lease_counters WHERE namespace = ?`, s.namespace).
		Scan(&k.Now, &k.Offset, &k.Waiting)
	now, _ = k.Clock(time.Now())
	return now, k.Waiting, c, err
}

// reader answers step.Contend outside of a transaction.
type reader struct {
	ctx   context.Context
	store *Store
}

// Waiters is that of [step.Tx].
func (r reader) Waiters(o step.Overlap) ([]*step.Record, error) {
	q := overlappingWaiters(r.store.namespace, o)
	var rows []row
	err := r.store.db.reader.NewSelect().Model(&rows).Where("namespace = ?", r.store.namespace).
		Where("arrival IN (SELECT arrival FROM ("+q.text.String()+"))", q.args...).OrderExpr("key, arrival").Scan(r.ctx)
	if err != nil {
		return nil, err
	}
	found := make([]*step.Record, len(rows))
	for i := range rows {
		if found[i], err = rows[i].record(); err != nil {
			return nil, err
		}
	}
	return found, nil
}
