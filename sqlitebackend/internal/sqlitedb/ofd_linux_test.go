package sqlitedb

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// locksOn returns the kinds (OFDLCK, POSIX) of the locks that this machine's
// processes have on a file.
func locksOn(t testing.TB, path string) []string {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	file, err := os.Open("/proc/locks")
	require.NoError(t, err)
	defer file.Close()
	inode := fmt.Sprintf(":%d ", info.Sys().(*syscall.Stat_t).Ino)
	var kinds []string
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if strings.Contains(lines.Text(), inode) {
			kinds = append(kinds, strings.Fields(lines.Text())[1])
		}
	}
	return kinds
}

// Every lock survives that this process reads the files by itself.
func TestLocksSurviveReading(t *testing.T) {
	d, w := newCounters(t, Hooks{})
	require.NoError(t, w.Do(t.Context(), Call{}, func(b *Batch) error {
		if err := increment("a")(b); err != nil {
			return err
		}
		for _, name := range []string{d.file, d.file + "-shm"} {
			before := locksOn(t, name)
			require.NotEmpty(t, before)
			_, err := os.ReadFile(name)
			require.NoError(t, err)
			require.Equal(t, before, locksOn(t, name))
			require.False(t, slices.Contains(before, "POSIX"), before)
		}
		return nil
	}))
}
