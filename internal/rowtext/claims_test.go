package rowtext

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

// What is written by hand is the JSON of claimTexts, and the short way of
// reading one claim reads what the long one would.
func TestClaimText(t *testing.T) {
	for _, path := range []string{"a/b", "/", `a"b`, `a\b`, `a"}]`, `a"},{"path":"b`, "a\nb", "a\x7fb", "a<b", "äöü", "\u2028"} {
		for _, claims := range [][]lease.Claim{
			lease.Paths(path), lease.SharedPaths(path), lease.Trees(path), lease.SharedTrees(path), lease.Paths(path, "z"),
		} {
			text := AppendClaims(nil, claims)
			got, err := ReadClaims(string(text))
			require.NoError(t, err)
			require.Equal(t, claims, got, "%s", text)
			var texts []claimText
			require.NoError(t, json.Unmarshal(text, &texts))
			require.Equal(t, claims, claimsOf(texts), "%s", text)
		}
	}
	for _, text := range []string{``, `[`, `[{"path":"a`, `[{"path":"a"`, `[{"path":"a\"}]`} {
		_, err := ReadClaims(text)
		require.Error(t, err, text)
	}
}
