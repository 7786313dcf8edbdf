package etcdbackend

import (
	"testing"

	"github.com/leasekit/leasekit/conformance/linearizability"
)

func TestLinearizability(t *testing.T) { linearizability.Run(t, direct(connect(t, single(t)))) }
