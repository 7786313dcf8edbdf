package redisbackend_test

import (
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/leasekit/leasekit/conformance"
	"github.com/leasekit/leasekit/internal/redistest"
)

func TestHelpersMini(t *testing.T) { conformance.RunHelpers(t, mini) }

func TestHelpersSingle(t *testing.T) {
	server := redistest.Single(t)
	conformance.RunHelpers(t, onServer(func() redis.UniversalClient { return server.Client() }))
}
