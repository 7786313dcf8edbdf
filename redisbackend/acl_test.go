package redisbackend_test

import (
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/leasekit/leasekit/conformance"
	"github.com/leasekit/leasekit/internal/redistest"
)

// rights are those of the package documentation: nothing else is needed.
var rights = []any{
	"~leasekit:{*", "&leasekit:{*",
	"+evalsha", "+eval", "+subscribe", "+ssubscribe", "+unsubscribe", "+sunsubscribe", "+ping", "+hello", "+time",
	"+hget", "+hmget", "+hset", "+hdel", "+hincrby",
	"+zadd", "+zrem", "+zcard", "+zcount", "+zlexcount", "+zrange", "+zrangebylex", "+zrangebyscore", "+zrank", "+zscore",
	"+xadd", "+xlen", "+xrange", "+xrevrange", "+xtrim", "+publish", "+spublish",
}

func TestConformanceWithDocumentedRights(t *testing.T) {
	server := redistest.Single(t)
	server.Do(append([]any{"ACL", "SETUSER", "leases", "on", ">secret", "resetkeys", "resetchannels", "-@all"}, rights...)...)
	conformance.Run(t, onServer(func() redis.UniversalClient {
		options := server.Options()
		options.Username, options.Password = "leases", "secret"
		client := redis.NewClient(options)
		t.Cleanup(func() { _ = client.Close() })
		return client
	}))
}
