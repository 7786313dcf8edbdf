package sqlitebackend

import (
	"testing"

	"github.com/leasekit/leasekit/internal/proctest"
)

// roles are what child processes of these tests can be.
var roles = proctest.Roles{}

func TestMain(m *testing.M) { proctest.Main(m, roles) }
