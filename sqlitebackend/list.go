package sqlitebackend

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/uptrace/bun"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/internal/claimkeys"
	"github.com/leasekit/leasekit/lease"
)

// query is an SQL condition that grows together with its arguments, and the
// table that it is about.
type query struct {
	from string
	text strings.Builder
	args []any
}

func (q *query) add(text string, args ...any) {
	q.text.WriteString(text)
	q.args = append(q.args, args...)
}

// selection is the condition for leases that live and have q's ID, Holder,
// Path and Under.
func selection(q lease.Query, namespace int64) *query {
	f := &query{from: `leases AS "row"`}
	if q.Holder != "" && q.ID == "" && q.Path == "" && q.Under == "" {
		f.from += ` INDEXED BY leases_holder`
	}
	f.add(`ended_at = 0`)
	if q.ID != "" {
		f.add(` AND namespace = ? AND id = ?`, namespace, q.ID)
	}
	if q.Holder != "" {
		f.add(` AND namespace = ? AND holder = ?`, namespace, q.Holder)
	}
	if q.Path != "" {
		f.add(` AND arrival IN (SELECT arrival FROM lease_claims WHERE namespace = ? AND waiting IN (0, 1) AND path = ?`, namespace, q.Path)
		for _, p := range claimkeys.Above(q.Path) {
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
	f := &query{from: `leases AS "row"`}
	f.add(`true`)
	if q.ID != "" {
		f.add(` AND namespace = ? AND id = ?`, namespace, q.ID)
	}
	if q.Holder != "" {
		f.add(` AND holder = ?`, q.Holder)
	}
	return f
}

// addPage leaves what comes after this arrival, in this namespace.
func (q *query) addPage(namespace, after int64) {
	low, high := span(namespace)
	q.add(` AND arrival > ? AND arrival < ?`, max(low, after), high)
}

// List implements [backend.Store].
func (s *Store) List(ctx context.Context, q lease.Query, cursor string) (page backend.ListReply, err error) {
	err = s.look(ctx, "list", func(v *view) error {
		page, err = rules.List(v, q, cursor)
		return err
	})
	return page, err
}

// Page implements [rules.View].
func (v *view) Page(q lease.Query, after int64, limit int) ([]*rules.Record, error) {
	condition := selection(q, v.namespace)
	if q.ID != "" || slices.ContainsFunc(q.Status, lease.Status.Ended) {
		condition = remembered(q, v.namespace)
	}
	condition.addPage(v.namespace, after)
	var rows []row
	err := v.tx.NewSelect().Model(&rows).ModelTableExpr(condition.from).Where(condition.text.String(), condition.args...).
		OrderExpr("arrival").Limit(int64(limit)).Scan(v.ctx)
	if err != nil {
		return nil, err
	}
	return recordsOf(rows)
}

// recordsOf returns the records in rows.
func recordsOf(rows []row) ([]*rules.Record, error) {
	found := make([]*rules.Record, len(rows))
	for i := range rows {
		var err error
		if found[i], err = rows[i].record(); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// places returns the places of the first waiters that conflict with a claim.
func (v *view) places(c lease.Claim, o rules.Overlap) ([]rules.Place, error) {
	up := claimkeys.Above(c.Path)
	text := shape{above: len(up), shared: o.Shared}.merged(c)
	rows, err := v.tx.Tx.QueryContext(v.ctx, text, waitersArgs(nil, v.namespace, c, o, up, o.Limit)...)
	if err != nil {
		return nil, err
	}
	var found []rules.Place
	for rows.Next() {
		var p rules.Place
		if err := rows.Scan(&p.Key, &p.Arrival); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		found = append(found, p)
	}
	return found, rows.Err()
}

// Waiters implements [rules.View].
func (v *view) Waiters(o rules.Overlap) ([]*rules.Record, error) {
	var places []rules.Place
	for _, c := range o.Claims {
		more, err := v.places(c, o)
		if err != nil {
			return nil, err
		}
		places = append(places, more...)
	}
	slices.SortFunc(places, rules.Place.Compare)
	places = slices.Compact(places)
	if len(places) == 0 {
		return nil, nil
	}
	var arrivals []int64
	for _, p := range places[:min(len(places), o.Limit)] {
		arrivals = append(arrivals, p.Arrival)
	}
	var rows []row
	err := v.tx.NewSelect().Model(&rows).Where("arrival IN (?)", bun.List(arrivals)).OrderExpr("key, arrival").Scan(v.ctx)
	if err != nil {
		return nil, err
	}
	return recordsOf(rows)
}
