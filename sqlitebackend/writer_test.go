package sqlitebackend

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// mustWriter starts a writer that is closed with the test.
func mustWriter(t testing.TB, d *database, h hooks) *writer {
	t.Helper()
	g, err := openGate(d.file)
	require.NoError(t, err)
	w := newWriter(d, g, h)
	t.Cleanup(func() { require.NoError(t, w.close()) })
	return w
}

func createCounters(b *batch) error {
	_, err := b.exec("CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL CHECK (value < 1000000)) WITHOUT ROWID")
	return err
}

func increment(name string) operation {
	return func(b *batch) error {
		_, err := b.exec("INSERT INTO counters VALUES (?, 1) ON CONFLICT DO UPDATE SET value = value + 1", name)
		return err
	}
}

// value reads a counter outside of the writer; 0 if there is none.
func value(t testing.TB, d *database, name string) int {
	t.Helper()
	var n int
	require.NoError(t, d.reader.NewRaw("SELECT coalesce(max(value), 0) FROM counters WHERE name = ?", name).
		Scan(context.Background(), &n))
	return n
}
