package fencefile

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

func indexFile(t *testing.T) *os.File {
	f, err := os.Create(filepath.Join(t.TempDir(), "index"))
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

func requireTokens(t *testing.T, f *os.File, want lease.Token) int {
	t.Helper()
	newest, free, err := readTokens(f)
	require.NoError(t, err)
	require.Equal(t, want, newest.token)
	return free
}

// Whatever a write that is cut short leaves in its slot, the other slot still
// tells the token before it.
func TestTokenSurvivesTornWrite(t *testing.T) {
	f := indexFile(t)
	free := requireTokens(t, f, 0)
	for token := lease.Token(1); token < 20; token++ {
		require.NoError(t, writeToken(f, free, used{token: token, by: 7}))
		free = requireTokens(t, f, token)
		line := formatSlot(used{token: token + 1000, by: 7})
		for cut := 1; cut < len(line)-len("12345678\n"); cut++ { // none of the checksum
			_, err := f.WriteAt([]byte(line[:cut]), int64(free)*slotOffset)
			require.NoError(t, err)
			require.Equal(t, free, requireTokens(t, f, token))
		}
		_, err := f.WriteAt(make([]byte, 64), int64(free)*slotOffset)
		require.NoError(t, err)
		require.Equal(t, free, requireTokens(t, f, token))
	}
}

func TestFirstWriteTorn(t *testing.T) {
	f := indexFile(t)
	line := formatSlot(used{token: 1, by: 7})
	for cut := range line {
		require.NoError(t, f.Truncate(0))
		_, err := f.WriteAt([]byte(line[:cut]), 0)
		require.NoError(t, err)
		requireTokens(t, f, 0)
	}
}

func TestDamagedFence(t *testing.T) {
	f := indexFile(t)
	for slot := range slots {
		_, err := f.WriteAt([]byte("rubbish"), int64(slot)*slotOffset)
		require.NoError(t, err)
	}
	_, _, err := readTokens(f)
	require.ErrorIs(t, err, ErrDamaged)
	require.ErrorContains(t, err, f.Name())
}

func FuzzParseSlot(f *testing.F) {
	f.Add(formatSlot(used{token: 1, by: 2}))
	f.Add(formatSlot(used{token: 1<<64 - 1, by: 1<<64 - 1}))
	f.Add("")
	f.Add("leasekit 1 by 2 00000000\n")
	f.Fuzz(func(t *testing.T, text string) {
		u, ok := parseSlot(text)
		if ok && u.token != 0 && formatSlot(u) != text[:len(formatSlot(u))] {
			t.Fatalf("%q is taken for %v", text, u)
		}
	})
}
