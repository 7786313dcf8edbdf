package conformance

import (
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestStoreNamesItsCases: the cases that the comments of backend.Store name are
// cases of the suite.
func TestStoreNamesItsCases(t *testing.T) {
	source, err := os.ReadFile("../backend/store.go")
	require.NoError(t, err)
	names := map[string]bool{}
	for _, c := range cases() {
		names[c.name] = true
	}
	named := regexp.MustCompile(`\b[A-Z][A-Za-z]+/[A-Z][A-Za-z]+\b`).FindAllString(string(source), -1)
	require.Greater(t, len(named), 30)
	for _, name := range named {
		require.True(t, names[name], "no case %s", name)
	}
}
