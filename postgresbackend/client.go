package postgresbackend

import (
	"context"
	"math/rand/v2"
	"strconv"

	"github.com/jackc/pgx/v5"
)

// A handle is a client by a number that is never used again. It stands with the
// places that the handle keeps, and others know by it whether the handle is alive:
// the session that listens has the advisory lock of this number. The lock is
// shared, so that a session that takes the place of another one need not wait for
// its end. Whoever listens is entered in lease_clients once it has the lock. So
// somebody whose LISTEN hears nothing is never taken for gone.

func newClient() string { return strconv.FormatInt(rand.Int64(), 10) }

const (
	lockClient  = `SELECT pg_advisory_lock_shared($1::bigint)`
	enterClient = `INSERT INTO {}.lease_clients AS c (namespace, client, started) VALUES ($1, $2, pg_postmaster_start_time())
		ON CONFLICT (namespace, client) DO UPDATE SET started = excluded.started`
	purgeClients = `DELETE FROM {}.lease_clients WHERE namespace = $1 AND started <> pg_postmaster_start_time()`

	// removeClient: of one that has no session.
	removeClient = `DELETE FROM {}.lease_clients WHERE namespace = $1 AND client = $2 AND pg_try_advisory_xact_lock($2::bigint)`
	// forgetClient: of one that keeps no place.
	forgetClient = `DELETE FROM {}.lease_clients WHERE namespace = $1 AND client = $2 AND NOT EXISTS (
		SELECT FROM {}.leases WHERE client = $2 COLLATE "C" AND namespace = $1 AND client <> '' AND ended_at = 0)`
)

// join makes a session the one by which this handle is known to be alive. It
// reports whether it is.
func (l *listener) join(conn *pgx.Conn) bool {
	s := l.store
	ctx, cancel := context.WithTimeout(l.closing, s.options.Patience)
	defer cancel()
	for _, statement := range []struct {
		text string
		args []any
	}{
		{lockClient, []any{s.client}},
		{s.sql.purgeClients, []any{s.namespace}},
		{s.sql.enterClient, []any{s.namespace, s.client}},
	} {
		if _, err := conn.Exec(ctx, statement.text, statement.args...); err != nil {
			return false // then this handle's places lapse when their time is over
		}
	}
	return true
}

// leave is for a handle that is closed: of one that keeps no place nothing is to
// be left.
func (l *listener) leave(ctx context.Context, conn *pgx.Conn) {
	s := l.store
	_, _ = conn.Exec(ctx, s.sql.forgetClient, s.namespace, s.client) // else another one does so
}
