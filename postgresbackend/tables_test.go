package postgresbackend

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// wrong says what does not agree in the tables of a namespace, by its name.
const wrong = `WITH n AS (SELECT c.name, k.* FROM leasekit.lease_configs c JOIN leasekit.lease_counters k USING (namespace) WHERE c.name = $1),
	l AS (SELECT l.* FROM leasekit.leases l JOIN n USING (namespace)),
	c AS (SELECT c.* FROM leasekit.lease_claims c JOIN n ON c.path LIKE namespace || ':%')
	SELECT 'waiting' FROM n WHERE n.waiting <> (SELECT count(*) FROM l WHERE status = 'pending')
	UNION ALL SELECT 'ended ' || ended || ' is ' || (SELECT count(*) FROM l WHERE ended_at > 0) FROM n WHERE ended <> (SELECT count(*) FROM l WHERE ended_at > 0)
	UNION ALL SELECT 'subleases' FROM n WHERE subleases <> (SELECT count(*) FROM l WHERE ended_at = 0 AND parent_id <> '')
	UNION ALL SELECT 'seq' FROM n WHERE seq < (SELECT coalesce(max(h.seq), 0) FROM leasekit.lease_history h JOIN n USING (namespace))
	UNION ALL SELECT 'token' FROM n WHERE token < (SELECT coalesce(max(l.token), 0) FROM l)
	UNION ALL SELECT 'claims of ' || id FROM l WHERE
		(SELECT count(*) FROM c WHERE c.arrival = l.arrival AND c.holder = l.holder
			AND c.waiting = (l.status = 'pending')::int AND c.key = CASE WHEN l.status = 'pending' THEN l.key ELSE 0 END)
		<> CASE WHEN l.ended_at = 0 THEN json_array_length(l.claims::json) ELSE 0 END
	UNION ALL SELECT 'status of ' || id FROM l WHERE (status IN ('pending', 'active')) <> (ended_at = 0)
	UNION ALL SELECT 'claims of nobody' FROM c WHERE NOT EXISTS (SELECT FROM l WHERE l.arrival = c.arrival)`

// requireSound requires that the tables of a namespace agree with each other.
func requireSound(tb testing.TB, url, namespace string) {
	tb.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, url)
	require.NoError(tb, err)
	defer func() { _ = conn.Close(ctx) }()
	rows, err := conn.Query(ctx, wrong, namespace)
	require.NoError(tb, err)
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(tb, err)
	require.Empty(tb, found)
}
