package boltstore_test

import (
	"testing"

	"github.com/leasekit/leasekit/conformance/linearizability"
)

func TestLinearizability(t *testing.T) { linearizability.Run(t, fixture) }
