package sqlitebackend

import (
	"database/sql"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/conformance"
	"github.com/leasekit/leasekit/lease"
)

// agreements are statements about a namespace (?1) that hold after every commit.
// Each query returns how often one does not.
var agreements = map[string]string{
	"what lives has its claims in lease_claims":  `SELECT count(*) FROM (` + claimsInLeases + ` EXCEPT ` + claimsInIndex + `)`,
	"every row of lease_claims is of what lives": `SELECT count(*) FROM (` + claimsInIndex + ` EXCEPT ` + claimsInLeases + `)`,

	"the counters count": `SELECT count(*) FROM lease_counters k WHERE namespace = ?1 AND (
		waiting <> (SELECT count(*) FROM leases WHERE namespace = ?1 AND status = 'pending')
		OR ended <> (SELECT count(*) FROM leases WHERE namespace = ?1 AND status NOT IN ('pending', 'active'))
		OR arrivals < (SELECT coalesce(max(arrival), 0) FROM leases WHERE namespace = ?1)
		OR wakes < (SELECT coalesce(max(woken), 0) FROM leases WHERE namespace = ?1)
		OR seq <> (SELECT coalesce(max(seq), 0) FROM lease_history WHERE namespace = ?1))`,
	"no token is above the counter": `SELECT (SELECT count(*) FROM leases, lease_counters k USING (namespace)
			WHERE namespace = ?1 AND leases.token > k.token)
		+ (SELECT count(*) FROM lease_history, lease_counters k USING (namespace)
			WHERE namespace = ?1 AND json_extract(lease, '$.token') > k.token)`,
	"no token was handed out twice": `SELECT count(*) - count(DISTINCT json_extract(lease, '$.token'))
		FROM lease_history WHERE namespace = ?1 AND kind = 'granted'`,

	"the newest event of what is remembered tells its state": `SELECT count(*) FROM leases l WHERE namespace = ?1
		AND (status, token, deadline, renewals) IS NOT (SELECT json_extract(lease, '$.status'), coalesce(json_extract(lease, '$.token'), 0),
				json_extract(lease, '$.deadline'), coalesce(json_extract(lease, '$.renewals'), 0)
			FROM lease_history INDEXED BY lease_history_id WHERE namespace = ?1 AND lease_id = l.id ORDER BY seq DESC LIMIT 1)
		AND status <> 'pending'`, // whose place is renewed without an event
	"what has ended has an end": `SELECT count(*) FROM leases WHERE namespace = ?1
		AND (status IN ('pending', 'active')) <> (ended_at = 0 AND end_reason IS NULL)`,
	"leases have tokens, waiters have none": `SELECT count(*) FROM leases WHERE namespace = ?1
		AND (status = 'active' AND token = 0 OR status = 'pending' AND token > 0)`,
}

const (
	claimsInLeases = `SELECT arrival, iif(status = 'pending', 1, 0), c.value ->> '$.path',
			2 * coalesce(c.value ->> '$.tree', 0) + coalesce(c.value ->> '$.shared', 0), iif(status = 'pending', l.key, 0), holder
		FROM leases l, json_each(claims) c WHERE namespace = ?1 AND status IN ('pending', 'active')`
	claimsInIndex = `SELECT arrival, waiting, path, kind, key, holder FROM lease_claims WHERE namespace = ?1`
)

// checkState fails the test where the tables contradict each other, at one
// moment while others may be writing.
func checkState(t testing.TB, s *Store) {
	t.Helper()
	tx, err := s.reader.BeginTx(t.Context(), &sql.TxOptions{ReadOnly: true})
	require.NoError(t, err)
	defer func() { _ = tx.Rollback() }()
	for statement, query := range agreements {
		var violations int
		require.NoError(t, tx.Tx.QueryRow(query, s.namespace).Scan(&violations), statement)
		require.Zero(t, violations, statement)
	}
}

// mustManager opens a manager that is closed with the test.
func mustManager(t testing.TB, path string, o *Options) lease.Manager {
	t.Helper()
	m, err := Open(t.Context(), path, o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	return m
}

// checkFile opens the file anew and checks everything that can be checked: the
// file itself, the tables, and the rules over its whole history.
func checkFile(t testing.TB, path string) {
	t.Helper()
	s, err := OpenStore(t.Context(), path, nil)
	require.NoError(t, err)
	m := backend.New(s, nil)
	defer func() { require.NoError(t, m.Close()) }()
	checkIntegrity(t, s)
	checkState(t, s)
	conformance.Check(t, m)
}

func checkIntegrity(t testing.TB, s *Store) {
	t.Helper()
	var verdict string
	require.NoError(t, s.reader.QueryRow("PRAGMA integrity_check").Scan(&verdict))
	require.Equal(t, "ok", verdict)
}
