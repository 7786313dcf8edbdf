package postgresbackend

import (
	"context"
	"database/sql"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/postgresbackend/internal/pgtest"
)

// wrong says what does not agree in the tables of a namespace ($1), by the bounds
// of its leases' arrivals ($2, $3) and of its claims' paths ($4, $5).
const wrong = `WITH n AS (SELECT * FROM leasekit.lease_counters WHERE namespace = $1),
	l AS (SELECT * FROM leasekit.leases WHERE arrival > $2 AND arrival < $3),
	c AS (SELECT * FROM leasekit.lease_claims WHERE path > $4 AND path < $5)
	SELECT 'waiting' FROM n WHERE n.waiting <> (SELECT count(*) FROM l WHERE status = 'pending')
	UNION ALL SELECT 'ended ' || ended || ' is ' || (SELECT count(*) FROM l WHERE ended_at > 0) FROM n WHERE ended <> (SELECT count(*) FROM l WHERE ended_at > 0)
	UNION ALL SELECT 'subleases' FROM n WHERE subleases <> (SELECT count(*) FROM l WHERE ended_at = 0 AND parent_id <> '')
	UNION ALL SELECT 'seq' FROM n WHERE seq < (SELECT coalesce(max(h.seq), 0) FROM leasekit.lease_history h WHERE h.namespace = $1)
	UNION ALL SELECT 'token' FROM n WHERE token < (SELECT coalesce(max(l.token), 0) FROM l)
	UNION ALL SELECT 'namespace of ' || id FROM l WHERE namespace <> $1
	UNION ALL SELECT 'claims of ' || id FROM l WHERE
		(SELECT count(*) FROM c WHERE c.arrival = l.arrival AND c.holder = l.holder
			AND c.waiting = (l.status = 'pending')::int AND c.key = CASE WHEN l.status = 'pending' THEN l.key ELSE 0 END)
		<> CASE WHEN l.ended_at = 0 THEN json_array_length(l.claims::json) ELSE 0 END
	UNION ALL SELECT 'status of ' || id FROM l WHERE (status IN ('pending', 'active')) <> (ended_at = 0)
	UNION ALL SELECT 'client of ' || id FROM l WHERE client <> '' AND status = 'active'
	UNION ALL SELECT 'claims of nobody' FROM c WHERE NOT EXISTS (SELECT FROM l WHERE l.arrival = c.arrival)`

// requireSound requires that the tables of a namespace agree with each other.
func requireSound(tb testing.TB, url, namespace string) {
	tb.Helper()
	ctx := context.Background()
	var pool *sql.DB
	if url == pgtest.Shared().URL() { // a connection of its own would take as long as a test
		pool = bubblePool().DB
		defer holdTime()()
	} else {
		var err error
		pool, err = sql.Open("pgx", url)
		require.NoError(tb, err)
		defer pool.Close()
	}
	var number int32
	require.NoError(tb, pool.QueryRowContext(ctx, `SELECT namespace FROM leasekit.lease_configs WHERE name = $1`, namespace).Scan(&number))
	low, high := span(number)
	first, last, _ := below(number, "/")
	rows, err := pool.QueryContext(ctx, wrong, number, low, high, first, last)
	require.NoError(tb, err)
	defer rows.Close()
	var found []string
	for rows.Next() {
		var text string
		require.NoError(tb, rows.Scan(&text))
		found = append(found, text)
	}
	require.NoError(tb, rows.Err())
	require.Empty(tb, found)
}
