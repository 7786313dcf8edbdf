package postgresbackend

import (
	"testing"

	"github.com/leasekit/leasekit/internal/proctest"
	"github.com/leasekit/leasekit/postgresbackend/internal/pgtest"
)

// roles are what child processes of these tests can be.
var roles = proctest.Roles{}

func TestMain(m *testing.M) { proctest.Main(pgtest.Tests{M: m}, roles) }
