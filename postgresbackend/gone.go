package postgresbackend

import (
	"context"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/internal/groupcommit"
	"github.com/leasekit/leasekit/lease"
)

const (
	lookEvery   = 250 * time.Millisecond
	goneLooks   = 3               // in a row that find no session: half a second to make it anew
	newLooks    = 8               // the same, for a session that has not begun
	lookFor     = 5 * time.Second // after a step has come across a client
	lookTimeout = time.Second
	lookClients = 250 // of one look: each that has no session takes a lock of the server
	passLimit   = 100 // waiters that a step passes
)

// watch finds out which clients have no session any more. It looks while somebody
// waits in this process, and for a while after a step has come across the place of
// another client: so steps themselves need no statement to know that one is alive.
type watch struct {
	worker

	store *Store
	until atomic.Int64 // looks are wanted until then, Unix ms
	after string       // the last client of the look before, if that was full

	mutex  sync.Mutex
	missed map[string]absence
}

// absence is that a client was found to have no session.
type absence struct {
	looks   int  // in a row
	listens bool // it has had one
}

func (a absence) isGone() bool { return a.looks >= goneLooks && (a.listens || a.looks >= newLooks) }

// begin begins to look, if it has not begun.
func (w *watch) begin() { w.worker.begin(w.run) }

func (w *watch) run() {
	s := w.store
	timer := time.NewTimer(lookEvery)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-s.listener.closing.Done():
			return
		}
		if s.waiters.Any() || time.Now().UnixMilli() < w.until.Load() {
			w.look()
		}
		timer.Reset(lookEvery) // two looks are never closer
	}
}

// look looks once, and passes the waiters of those who are gone.
func (w *watch) look() {
	s := w.store
	ctx, cancel := context.WithTimeout(s.listener.closing, lookTimeout)
	defer cancel()
	found, err := w.withoutSession(ctx)
	if err != nil {
		return // until the next look, as after each error here
	}
	for client, a := range found {
		switch {
		case client != s.client:
			if a.isGone() {
				s.passAll(ctx, client)
			}
		case a.listens, a.looks >= newLooks/2: // before others take it for gone
			s.rejoin(ctx)
		}
	}
}

// tryClients takes the lock of those who have no session, until the transaction
// ends: meanwhile none of them comes back.
const tryClients = `SELECT client, listens, pg_try_advisory_xact_lock(client::bigint) FROM {}.lease_clients
	WHERE namespace = $1 AND started = pg_postmaster_start_time() AND client > $2 ORDER BY client LIMIT $3`

// withoutSession returns the clients that have none, and counts that.
func (w *watch) withoutSession(ctx context.Context) (found map[string]absence, err error) {
	s, last, n := w.store, "", 0
	found = map[string]absence{}
	err = s.withConn(ctx, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, s.sql.tryClients, s.namespace, w.after, lookClients)
		if err != nil {
			return err
		}
		defer rows.Close()
		for ; rows.Next(); n++ {
			var listens, missing bool
			if err := rows.Scan(&last, &listens, &missing); err != nil {
				return err
			}
			if missing {
				found[last] = absence{looks: w.absence(last).looks + 1, listens: listens}
			}
		}
		return rows.Err()
	})
	if err != nil {
		return nil, err
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	missed := maps.Clone(found)
	for client, a := range w.missed {
		if client <= w.after || n == lookClients && client > last { // not looked at
			missed[client] = a
		}
	}
	w.missed = missed
	if w.after = last; n < lookClients {
		w.after = ""
	}
	return found, nil
}

func (w *watch) absence(client string) absence {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.missed[client]
}

// gone returns those who are.
func (w *watch) gone() (clients []string) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	for client, a := range w.missed {
		if a.isGone() && len(clients) < lookClients {
			clients = append(clients, client)
		}
	}
	return clients
}

// rejoin is for a handle that lives, but whose session the server does not have: it
// is not known to others any more until it listens again.
func (s *Store) rejoin(ctx context.Context) {
	_ = s.withConn(ctx, func(conn *pgx.Conn) error {
		tag, err := conn.Exec(ctx, s.sql.removeClient, s.namespace, s.client)
		if err == nil && tag.RowsAffected() > 0 {
			s.listener.reconnect()
		}
		return err
	})
}

// passAll ends the waiters of a client that is gone, as far as one step does.
// Steps pass those that they come across; this is for who was hinted and ended
// before it asked, while all who stand behind count on it.
func (s *Store) passAll(ctx context.Context, client string) {
	var waiters []lease.ID
	err := s.withConn(ctx, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, s.sql.waitersOfClient, s.namespace, client, passLimit)
		if err == nil {
			waiters, err = pgx.CollectRows(rows, pgx.RowTo[lease.ID])
		}
		if err == nil && len(waiters) == 0 {
			_, err = conn.Exec(ctx, s.sql.forgetClient, s.namespace, client)
		}
		return err
	})
	if err == nil && len(waiters) > 0 {
		_, _ = do(ctx, s, groupcommit.Options{Urgency: groupcommit.Asks}, func(st *rules.Step) (struct{}, error) {
			return struct{}{}, st.Pass(waiters)
		})
	}
}

const (
	waitersOfClient = `SELECT id FROM {}.leases WHERE client = $2 COLLATE "C" AND namespace = $1 AND client <> '' AND ended_at = 0 LIMIT $3`

	confirmGone = `SELECT client, pg_try_advisory_xact_lock(client::bigint) FROM {}.lease_clients
		WHERE namespace = $1 AND started = pg_postmaster_start_time() AND client = ANY($2::text[])`
)

// Gone implements [rules.Tx]. Who has missed too many looks is looked for once
// more, all of them in one statement: none comes back until the transaction has
// ended.
func (t *transaction) Gone(client string) bool {
	w := &t.store.watch
	if t.store.client == "" {
		return false
	}
	if t.gone == nil {
		w.until.Store(time.Now().Add(lookFor).UnixMilli())
		w.begin()
		t.gone = map[string]bool{}
		clients := w.gone()
		if len(clients) == 0 {
			return false
		}
		var b pgx.Batch
		b.Queue(t.store.sql.confirmGone, t.namespace, clients).Query(func(rows pgx.Rows) error {
			for rows.Next() {
				var client string
				var gone bool
				if err := rows.Scan(&client, &gone); err != nil {
					return err
				}
				t.gone[client] = gone
			}
			return rows.Err()
		})
		if t.send(&b) != nil {
			clear(t.gone) // what comes next in this transaction fails as well
		}
	}
	return t.gone[client]
}
