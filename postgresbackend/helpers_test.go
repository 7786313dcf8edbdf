package postgresbackend

import (
	"testing"

	"github.com/leasekit/leasekit/conformance"
)

func TestHelpers(t *testing.T) {
	conformance.RunHelpers(t, suite)
}
