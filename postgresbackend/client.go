package postgresbackend

import (
	"context"
	"math/rand/v2"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/lease"
)

// A handle is a client by a number that is never used again. It stands with the
// places that the handle keeps, and others know by it whether the handle is alive:
// the session that listens has the advisory lock of this number. The lock is
// shared, so that a session that takes the place of another one need not wait for
// its end.
//
// A handle is entered in lease_clients together with its first place, while its
// session begins, and again once it has the lock. Behind a pooler it is not before
// that: somebody whose LISTEN hears nothing is never taken for gone.

func newClient() string { return strconv.FormatInt(rand.Int64(), 10) }

const (
	lockClient  = `SELECT pg_advisory_lock_shared($1::bigint)`
	enterClient = `INSERT INTO {}.lease_clients AS c (namespace, client, started, listens) VALUES ($1, $2, pg_postmaster_start_time(), $3)
		ON CONFLICT (namespace, client) DO UPDATE SET started = excluded.started, listens = c.listens OR excluded.listens`

	// purgeClients: of what the server was before.
	purgeClients = `DELETE FROM {}.lease_clients WHERE namespace = $1 AND started <> pg_postmaster_start_time()`
	// removeClient: of one that has no session.
	removeClient = `DELETE FROM {}.lease_clients WHERE namespace = $1 AND client = $2 AND pg_try_advisory_xact_lock($2::bigint)`
	// forgetClient: of one that keeps no place.
	forgetClient = `DELETE FROM {}.lease_clients WHERE namespace = $1 AND client = $2 AND NOT EXISTS (
		SELECT FROM {}.leases WHERE client = $2 COLLATE "C" AND namespace = $1 AND client <> '' AND ended_at = 0)`
)

// asking is the client that keeps the places which are asked for: nobody as long as
// no session has begun.
func (s *Store) asking() string {
	if !s.listener.begun() {
		return ""
	}
	return s.client
}

// noteClient takes note that this handle keeps a place.
func (t *transaction) noteClient(r *rules.Record) {
	s := t.store
	if r.Status == lease.Pending && r.Client != "" && r.Client == s.client && s.session {
		t.waits = true
	}
}

// enterClient enters this handle, once.
func (t *transaction) enterClient(b *pgx.Batch) {
	if s := t.store; t.waits && !s.entered.Load() {
		b.Queue(s.sql.enterClient, s.namespace, s.client, false)
	}
}

// join makes a session the one by which this handle is known to be alive. It
// reports whether it is.
func (l *listener) join(conn *pgx.Conn) bool {
	s := l.store
	ctx, cancel := context.WithTimeout(l.closing, s.options.Patience)
	defer cancel()
	_, err := conn.Exec(ctx, lockClient, s.client)
	if err == nil {
		_, err = conn.Exec(ctx, s.sql.enterClient, s.namespace, s.client, true)
	}
	return err == nil // else this handle's places lapse when their time is over
}

// leave is for a handle that is closed: of one that keeps no place nothing is to
// be left.
func (s *Store) leave() {
	if !s.entered.Load() && !s.listener.joined {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closePatience)
	defer cancel()
	_ = s.withConn(ctx, func(conn *pgx.Conn) error { // if it fails, another one does so
		_, err := conn.Exec(ctx, s.sql.forgetClient, s.namespace, s.client)
		return err
	})
}
