package postgresbackend

import (
	"os"
	"testing"

	"github.com/leasekit/leasekit/internal/proctest"
	"github.com/leasekit/leasekit/postgresbackend/internal/pgtest"
)

// roles are what child processes of these tests can be.
var roles = proctest.Roles{}

// tests tell the examples where the server is.
type tests struct{ pgtest.Tests }

func (t tests) Run() int {
	if err := os.Setenv("POSTGRES_URL", pgtest.Shared().URL()); err != nil {
		panic(err)
	}
	return t.Tests.Run()
}

func TestMain(m *testing.M) { proctest.Main(tests{pgtest.Tests{M: m}}, roles) }
