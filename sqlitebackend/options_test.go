package sqlitebackend

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// quick are the options of tests that do not turn the power off.
var quick = Options{Synchronous: Normal}

func newPath(t testing.TB) string { return filepath.Join(t.TempDir(), "leases.db") }

func TestOptionsDefaults(t *testing.T) {
	var none *Options
	filled, err := none.withDefaults()
	require.NoError(t, err)
	require.Equal(t, Options{Namespace: "default", Synchronous: Full}, filled)
	for _, bad := range []Options{{Namespace: "a\x00"}, {Namespace: "\xff"}, {Namespace: string(make([]byte, 200))}, {Synchronous: 7}} {
		_, err := bad.withDefaults()
		require.Error(t, err)
	}
}
