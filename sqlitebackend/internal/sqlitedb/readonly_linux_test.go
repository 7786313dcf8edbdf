package sqlitedb

import (
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// withoutRights runs f as a user who may only read what the test has made.
func withoutRights(t *testing.T, f func()) {
	t.Helper()
	if os.Getuid() != 0 {
		f() // the owner's missing right to write is enough
		return
	}
	// Root may write everything; the rights of this thread are those of nobody.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	require.NoError(t, syscall.Setfsuid(65534))
	defer func() { require.NoError(t, syscall.Setfsuid(0)) }()
	f()
}

func TestOpenReadOnly(t *testing.T) {
	folder := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(folder), 0o755)) // whatever the umask
	path := filepath.Join(folder, "leases.db")
	d, err := Open(t.Context(), path, Options{})
	require.NoError(t, err)
	require.NoError(t, d.Close())
	require.NoError(t, os.Chmod(path, 0o444))
	require.NoError(t, os.Chmod(folder, 0o555))
	t.Cleanup(func() { require.NoError(t, os.Chmod(folder, 0o755)) })

	for _, name := range []string{"leases.db", "new.db"} {
		withoutRights(t, func() {
			d, err := Open(t.Context(), filepath.Join(folder, name), Options{})
			if err == nil {
				err = d.Explain(NewWriter(d, Hooks{}).Do(t.Context(), Call{}, createCounters))
				require.NoError(t, d.Close())
			}
			require.ErrorIs(t, err, ErrReadOnly, name)
		})
	}
}
