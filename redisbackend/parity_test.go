package redisbackend_test

import (
	"testing"

	"github.com/leasekit/leasekit/conformance"
)

func TestParityMini(t *testing.T) {
	conformance.Parity(t, mini, conformance.Seeds(1, paritySeeds)...)
}
