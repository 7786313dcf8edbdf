package postgresbackend

import (
	"testing"

	"github.com/leasekit/leasekit/conformance/linearizability"
	"github.com/leasekit/leasekit/postgresbackend/internal/pgtest"
)

// On handles with connections of their own, as processes have them.
func TestLinearizability(t *testing.T) { linearizability.Run(t, opened(pgtest.Shared().URL())) }
