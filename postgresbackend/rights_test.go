package postgresbackend

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/conformance"
	"github.com/leasekit/leasekit/postgresbackend/internal/pgtest"
)

// grants returns the statements of the package documentation.
func grants(t *testing.T) string {
	source, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	_, section, _ := strings.Cut(string(source), "# Rights")
	section, _, _ = strings.Cut(section, "\n// # ")
	var statements strings.Builder
	for line := range strings.Lines(section) {
		if code, isCode := strings.CutPrefix(line, "//\t"); isCode {
			statements.WriteString(code)
		}
	}
	require.Contains(t, statements.String(), "GRANT USAGE")
	return statements.String()
}

// A role with the rights that the documentation lists, and no others, can do
// everything.
func TestRights(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, false)
	open(t, server.URL(), nil) // makes the schema
	server.Exec(`CREATE ROLE leases LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC; ` + grants(t))
	conformance.Parity(t, func(tb testing.TB) conformance.Fixture {
		return fixtureOn(tb, server.URL(), func(tb testing.TB, o *Options) (*Store, error) {
			return OpenStore(tb.Context(), server.URLAs("leases"), o)
		})
	}, conformance.Seeds(31, 2)...)
	m := open(t, server.URLAs("leases"), &Options{Namespace: "another"})
	_, err := m.Sweep(t.Context())
	require.NoError(t, err)
}
