package redisbackend_test

import (
	"fmt"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/conformance"
	"github.com/leasekit/leasekit/internal/redistest"
	"github.com/leasekit/leasekit/lease"
)

// TestLostReplyOfAnAcquire: what the server did and could not tell is found again by the same ID, whether go-redis
// repeats the call by itself or gives up.
func TestLostReplyOfAnAcquire(t *testing.T) {
	t.Parallel()
	server := redistest.Single(t)
	direct := manage(t, server.Client(), nil)
	for _, retries := range []int{-1, 3} {
		t.Run(fmt.Sprintf("retries=%d", retries), func(t *testing.T) {
			proxy := redistest.NewProxy(t, server.Addr())
			client := redis.NewClient(&redis.Options{Addr: proxy.Addr(), MaxRetries: retries})
			t.Cleanup(func() { _ = client.Close() })
			m := manage(t, client, nil)
			for i := range 20 {
				r := request("a", fmt.Sprintf("lost/%d/%d", retries, i))
				r.ID = lease.NewID()
				proxy.LoseReplyTo("evalsha", 1)
				l, err := m.TryAcquire(t.Context(), r)
				if err != nil {
					require.ErrorIs(t, err, lease.ErrUnavailable)
					// The attempt was withdrawn, so the path is free for another and the ID may be asked for anew.
					l, err = m.TryAcquire(t.Context(), r)
					require.NoError(t, err)
				}
				other := request("b", r.Claims[0].Path)
				_, err = direct.TryAcquire(t.Context(), other)
				require.ErrorIs(t, err, lease.ErrConflict)

				proxy.LoseReplyTo("evalsha", 1)
				require.NoError(t, m.Release(t.Context(), l.Ref()))
				free, err := direct.TryAcquire(t.Context(), other)
				require.NoError(t, err)
				require.NoError(t, direct.Release(t.Context(), free.Ref()))
			}
		})
	}
	conformance.Check(t, direct)
}
