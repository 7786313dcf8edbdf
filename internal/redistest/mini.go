package redistest

import (
	"context"
	"net"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// MiniServer is a miniredis that is reached through memory, not through a socket, so that a testing/synctest
// bubble sees all of its goroutines; its clock is the bubble's. It knows no sharded pub/sub and no CLIENT KILL.
type MiniServer struct {
	*miniredis.Miniredis
	tb testing.TB
}

// Mini starts a miniredis. Inside a bubble it must be called with the bubble's own T.
func Mini(tb testing.TB) *MiniServer {
	tb.Helper()
	server := miniredis.NewMiniRedis()
	server.ClockTTL(true)
	tb.Cleanup(server.Close)
	return &MiniServer{Miniredis: server, tb: tb}
}

// Options returns go-redis options for the server. The address is a literal, never dialled: a name would go through
// the resolver, whose goroutines belong to no bubble.
func (m *MiniServer) Options() *redis.Options {
	return &redis.Options{
		Addr: "127.0.0.1:6379",
		Dialer: func(context.Context, string, string) (net.Conn, error) {
			return m.Dial()
		},
		// miniredis answers neither of the two, and each new connection would ask.
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
}

// Client returns a new client, closed in the test's Cleanup.
func (m *MiniServer) Client() *redis.Client {
	client := redis.NewClient(m.Options())
	m.tb.Cleanup(func() { _ = client.Close() })
	return client
}
