package postgresbackend

import (
	"testing"

	"github.com/leasekit/leasekit/conformance"
)

func TestHelpers(t *testing.T) {
	t.Parallel()
	conformance.RunHelpers(t, pooled)
}
