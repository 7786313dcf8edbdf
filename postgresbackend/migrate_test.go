package postgresbackend

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/postgresbackend/internal/pgtest"
)

// Many open a new schema at once: each finds it complete.
func TestOpenedAtOnce(t *testing.T) {
	var all sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		all.Go(func() {
			m, err := Open(t.Context(), pgtest.Shared().URL(), &Options{Schema: `at "once"`})
			if err == nil {
				_, err = m.TryAcquire(t.Context(), request("h", fmt.Sprint(i)))
				require.NoError(t, m.Close())
			}
			errs[i] = err
		})
	}
	all.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
}

// A migration that fails leaves nothing but its record, and is tried again; a
// schema that is newer than the program is left alone.
func TestMigrations(t *testing.T) {
	db := sharedPool()
	const schema = "migrated"
	status := func() (rows []string) {
		require.NoError(t, db.NewRaw(`SELECT version || ' ' || status FROM migrated.lease_migrations ORDER BY version`).Scan(t.Context(), &rows))
		return rows
	}
	folder := fstest.MapFS{
		"0001_one.sql": {Data: []byte(`CREATE TABLE one (n int)`)},
		"0002_two.sql": {Data: []byte(`CREATE TABLE two (n int); SELECT 1/0`)},
	}
	err := migrate(t.Context(), db, schema, folder)
	var failed *MigrationError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, 2, failed.Version)
	require.Equal(t, "22012", code(err))
	require.Equal(t, []string{"1 applied", "2 failed"}, status())

	folder["0002_two.sql"] = &fstest.MapFile{Data: []byte(`CREATE TABLE two (n int)`)}
	require.NoError(t, migrate(t.Context(), db, schema, folder))
	require.NoError(t, migrate(t.Context(), db, schema, folder))
	require.Equal(t, []string{"1 applied", "2 applied"}, status())

	delete(folder, "0002_two.sql")
	require.ErrorIs(t, migrate(t.Context(), db, schema, folder), ErrNewerSchema)
}

// A schema of the first version is brought up to date with all that is in it.
func TestFromTheFirstVersion(t *testing.T) {
	const schema = "first_version"
	first, err := embedded.ReadFile("migrations/0001_leases.sql")
	require.NoError(t, err)
	require.NoError(t, migrate(t.Context(), sharedPool(), schema, fstest.MapFS{"0001_leases.sql": {Data: first}}))
	config, err := json.Marshal(lease.DefaultConfig())
	require.NoError(t, err)
	_, err = sharedPool().DB.ExecContext(t.Context(), `INSERT INTO first_version.lease_configs (name, version, config, updated_at) VALUES ('default', 0, $1, 0)`,
		string(config))
	require.NoError(t, err)
	_, err = sharedPool().DB.ExecContext(t.Context(), `
		INSERT INTO first_version.lease_counters (namespace, config_version, arrivals, token)
			SELECT namespace, version, (namespace::bigint << 44) + 1, 7 FROM first_version.lease_configs;
		INSERT INTO first_version.leases SELECT arrivals, namespace, 'id', 'h', 'active', '[{"path":"f"}]', '', 60000, 0, 0, false,
			'', '', 0, '', '', 0, '', '', 0, 1, '', '', '', '', 7, 0, '', 1, 4102444800000, 1, 0 FROM first_version.lease_counters;
		INSERT INTO first_version.lease_claims SELECT namespace || ':f', 1, 0, 0, arrival, 'h' FROM first_version.leases`)
	require.NoError(t, err)
	m := open(t, pgtest.Shared().URL(), &Options{Schema: schema})
	l, err := m.Get(t.Context(), "id")
	require.NoError(t, err)
	require.Equal(t, "h", l.Holder)
	_, err = m.TryAcquire(t.Context(), request("b", "f"))
	require.ErrorIs(t, err, lease.ErrConflict)
}

// What cannot be used says so, without the password.
func TestOpenErrors(t *testing.T) {
	var failed *OpenError
	_, err := Open(t.Context(), "postgres://u:secret@127.0.0.1:1/x?connect_timeout=1", nil)
	require.ErrorAs(t, err, &failed)
	require.NotContains(t, err.Error(), "secret")
	_, err = Open(t.Context(), "postgres://u:secret@:x:y/%", nil)
	require.ErrorAs(t, err, &failed)
	require.NotContains(t, err.Error(), "secret")
	for _, o := range []Options{{Namespace: "a\x00"}, {Schema: "\xff"}, {Patience: -1}, {SynchronousCommit: "perhaps"}} {
		_, err = Open(t.Context(), pgtest.Shared().URL(), &o)
		require.ErrorIs(t, err, lease.ErrInvalid)
	}
}

// Long names and long paths are kept as they are: keys of paths are cut, what
// conflicts is not.
func TestLongPaths(t *testing.T) {
	m := open(t, pgtest.Shared().URL(), &Options{Namespace: "long"})
	part := strings.Repeat("ä", 20) + "é"
	long := part + strings.Repeat("/"+part, 40)
	above := part + strings.Repeat("/"+part, 30)
	require.Greater(t, len(above), maxKeyPath)
	_, err := m.TryAcquire(t.Context(), request("a", long+"/x"))
	require.NoError(t, err)
	for path, conflict := range map[string]bool{long + "/x": true, long + "/y": false, long: false} {
		_, err = m.TryAcquire(t.Context(), request("b", path))
		require.Equal(t, conflict, err != nil, "%v", err)
	}
	for tree, conflict := range map[string]bool{long + "/x/y": false, long + "/x": true, above: true, above + "/other": false, part: true, "/": true} {
		_, err = m.TryAcquire(t.Context(), lease.Request{Holder: "c", Claims: lease.Trees(tree)})
		require.Equal(t, conflict, err != nil, "%d %v", len(tree), err)
	}
}
