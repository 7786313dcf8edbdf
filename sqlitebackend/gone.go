package sqlitebackend

import (
	"context"
	"time"

	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/internal/groupcommit"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/sqlitebackend/internal/sqlitedb"
)

// Gone implements [rules.Tx].
func (t *transaction) Gone(client string) bool { return t.store.client.Gone(client) }

// noteClient takes note that this handle keeps a place: it stands in
// lease_clients from then on.
func (t *transaction) noteClient(r *rules.Record) {
	if r.Status == lease.Pending && r.Client != "" && r.Client == t.store.client.Name() {
		t.waits = true
	}
}

// writeClient writes that down, once.
func (t *transaction) writeClient() error {
	if !t.waits || t.store.listed.Load() {
		return nil
	}
	return t.Exec(`INSERT INTO lease_clients (namespace, client) VALUES (?, ?) ON CONFLICT DO NOTHING`, t.namespace, t.store.client.Name())
}

// others are the handles in lease_clients. The poller keeps them, until it notices
// that the file has changed.
type others struct {
	known   bool
	clients []string
}

const (
	passTimeout = time.Second // for one look at who is gone
	passLimit   = 100         // waiters that a step passes
	passClients = 1000        // clients that it looks at: more do not live at a time
)

// passGone ends the waiters of processes that have ended. Steps pass those that
// they come across; this is for who was hinted and ended before it asked, while
// all who stand behind count on it. The poller calls it as long as somebody waits
// in this process.
func (s *Store) passGone() {
	ctx, cancel := context.WithTimeout(s.closing, passTimeout)
	defer cancel()
	if !s.others.known {
		clients, err := column[string](ctx, s, `SELECT client FROM lease_clients WHERE namespace = ? LIMIT ?`, s.namespace, passClients)
		if err != nil {
			return // until the next look, as after each error here
		}
		s.others = others{known: true, clients: clients}
	}
	var over []string // those who are gone and wait no more
	for _, client := range s.others.clients {
		if !s.client.Gone(client) {
			continue
		}
		s.others.known = false
		waiters, err := column[lease.ID](ctx, s, `SELECT DISTINCT l.id FROM lease_claims c CROSS JOIN leases l ON l.arrival = c.arrival
			WHERE c.namespace = ? AND c.waiting = 1 AND l.client = ? LIMIT ?`, s.namespace, client, passLimit)
		switch {
		case err != nil:
			return
		case len(waiters) == 0:
			over = append(over, client)
			continue
		}
		_, _ = run(ctx, s, sqlitedb.Call{Urgency: groupcommit.Asks}, func(st *rules.Step) (struct{}, error) {
			return struct{}{}, st.Pass(waiters)
		})
	}
	if len(over) == 0 {
		return
	}
	_, _ = run(ctx, s, sqlitedb.Call{Urgency: groupcommit.Asks}, func(*rules.Step) (none struct{}, err error) {
		for _, client := range over {
			if _, err = s.room.transaction.change(`DELETE FROM lease_clients WHERE namespace = ? AND client = ?`, s.namespace, client); err != nil {
				break
			}
		}
		return none, err
	})
}

// column returns what a query selects: one column.
func column[T any](ctx context.Context, s *Store, query string, args ...any) (values []T, err error) {
	rows, err := s.reader.DB.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var value T
		if err := rows.Scan(&value); err != nil {
			return nil, err
		}
		values = append(values, value)
	}
	return values, rows.Err()
}
