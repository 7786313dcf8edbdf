package sqlitebackend

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

// The short way of reading one claim reads what the long one would.
func TestReadClaims(t *testing.T) {
	for _, path := range []string{"a/b", "/", `a"b`, `a\b`, `a"}]`, `a"},{"path":"b`, "a\nb", "a<b", "äöü", "\u2028"} {
		for _, claims := range [][]lease.Claim{
			lease.Paths(path), lease.SharedPaths(path), lease.Trees(path), lease.SharedTrees(path), lease.Paths(path, "z"),
		} {
			text, err := json.Marshal(claimTexts(claims))
			require.NoError(t, err)
			got, err := readClaims(string(text))
			require.NoError(t, err)
			require.Equal(t, claims, got, text)
		}
	}
	for _, text := range []string{``, `[`, `[{"path":"a`, `[{"path":"a"`, `[{"path":"a\"}]`} {
		_, err := readClaims(text)
		require.Error(t, err, text)
	}
}
