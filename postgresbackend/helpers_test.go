package postgresbackend

import (
	"testing"

	"github.com/leasekit/leasekit/conformance"
	"github.com/leasekit/leasekit/postgresbackend/internal/pgtest"
)

func TestHelpers(t *testing.T) {
	t.Parallel()
	conformance.RunHelpers(t, opened(pgtest.Shared().URL()))
}
