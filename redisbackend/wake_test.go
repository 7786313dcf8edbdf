package redisbackend

import (
	"fmt"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/internal/redistest"
)

// oddIDs are IDs that a careless message format would mix up.
var oddIDs = []string{"", "a", "1:", "1:a", "3:abc", ":", "\x00\r\n", "ü{}*", "12"}

// wakeMessage is what lua/prelude.lua makes of IDs.
func wakeMessage(ids ...string) string {
	message := ""
	for _, id := range ids {
		message += strconv.Itoa(len(id)) + ":" + id
	}
	return message
}

func requireHint(t *testing.T, hint <-chan struct{}, why string) {
	t.Helper()
	select {
	case <-hint:
	case <-time.After(30 * time.Second):
		t.Fatalf("no hint: %s", why)
	}
}

func requireNoHint(t *testing.T, hint <-chan struct{}) {
	t.Helper()
	select {
	case <-hint:
		t.Fatal("a hint for somebody else")
	default:
	}
}

// checkWakes has a script wake each of the odd IDs, and nobody else.
func checkWakes(t *testing.T, client redis.UniversalClient, names keyspace, address string) {
	woken := newWaker(client, names, address)
	defer woken.close()
	hints := map[string]<-chan struct{}{}
	for _, id := range oddIDs {
		hint, stop := woken.wait(id)
		t.Cleanup(stop)
		hints[id] = hint
	}
	requireHint(t, hints[oddIDs[0]], "the subscription began")
	woken.expects(oddIDs[0])     // once it can say so, all who waited by then have their hint
	for _, hint := range hints { // and those who came later need none
		select {
		case <-hint:
		default:
		}
	}
	run := func(ids ...string) {
		args := []any{"wake", 1 + len(ids), address}
		for _, id := range ids {
			args = append(args, id)
		}
		reply, err := probeScript().run(t.Context(), client, names.keys("lease"), args...)
		require.NoError(t, err)
		require.Equal(t, []any{int64(1)}, reply, "one connection heard it")
	}
	for _, id := range oddIDs {
		run("somebody", id)
		requireHint(t, hints[id], fmt.Sprintf("%q was published", id))
		for other, hint := range hints {
			if other != id {
				requireNoHint(t, hint)
			}
		}
	}
	run(oddIDs...)
	for id, hint := range hints {
		requireHint(t, hint, fmt.Sprintf("%q was published with the others", id))
	}
}

func TestWake(t *testing.T) {
	t.Run("miniredis", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			client := redistest.Mini(t).Client()
			require.False(t, shards(client))
			checkWakes(t, client, newKeyspace("n"), newWakeAddress(false, false))
		})
	})
	t.Run("redis", func(t *testing.T) {
		checkWakes(t, redistest.Single(t).Client(), newKeyspace("n} \n"), newWakeAddress(false, false))
	})
	t.Run("sharded", func(t *testing.T) { // a single server knows sharded channels too
		checkWakes(t, redistest.Single(t).Client(), newKeyspace(""), newWakeAddress(true, false))
	})
}

func TestWakeBySeveralAndStop(t *testing.T) {
	woken := newWaker(redistest.Mini(t).Client(), newKeyspace("n"), newWakeAddress(false, false))
	defer woken.close()
	first, stopFirst := woken.wait("a")
	second, stopSecond := woken.wait("a")
	requireHint(t, first, "the subscription began")
	requireHint(t, second, "the subscription began")

	woken.hint(wakeMessage("a"))
	requireHint(t, first, "both wait for the same")
	requireHint(t, second, "both wait for the same")
	stopFirst()
	stopFirst()
	woken.hint(wakeMessage("a") + wakeMessage("a"))
	requireNoHint(t, first)
	requireHint(t, second, "still waits")
	requireNoHint(t, second)
	stopSecond()
	require.Empty(t, woken.waiters)
	for _, broken := range []string{"x", "1", "5:a", "-1:a", "99999999999999999999:a", ":"} {
		woken.hint(broken)
	}
}

func TestWakeAfterABrokenConnection(t *testing.T) {
	server := redistest.Single(t)
	client, names, address := server.Client(), newKeyspace("n"), newWakeAddress(false, false)
	woken := newWaker(client, names, address)
	defer woken.close()
	hint, stop := woken.wait("a")
	defer stop()
	requireHint(t, hint, "the subscription began")
	for range 3 {
		server.Do("CLIENT", "KILL", "TYPE", "pubsub")
		requireHint(t, hint, "the subscription was renewed: ask again")
	}
	server.Restart(redistest.DropData)
	requireHint(t, hint, "the server is back")
	require.Eventually(t, func() bool {
		return client.Publish(t.Context(), names.wakeChannel(address), wakeMessage("a")).Val() == 1
	}, 30*time.Second, time.Millisecond)
	requireHint(t, hint, "and publishes")
}

func TestWakeOverALinkThatGoesSilent(t *testing.T) {
	server := redistest.Single(t)
	proxy := redistest.NewProxy(t, server.Addr())
	client := redis.NewClient(&redis.Options{Addr: proxy.Addr(), ReadTimeout: 100 * time.Millisecond})
	defer client.Close()
	woken := newWaker(client, newKeyspace("n"), newWakeAddress(false, false))
	woken.interval = 5 * time.Millisecond
	defer woken.close()
	hint, stop := woken.wait("a")
	defer stop()
	requireHint(t, hint, "the subscription began")

	proxy.DropReplies()
	require.Eventually(t, func() bool { // the subscription is given up, though nothing closed it
		woken.mu.Lock()
		defer woken.mu.Unlock()
		return woken.pubsub == nil
	}, 30*time.Second, time.Millisecond)
	proxy.Resume()
	requireHint(t, hint, "the link works again")
}

func TestWakePingsOnlyWhileSomebodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := redistest.Mini(t)
		woken := newWaker(server.Client(), newKeyspace("n"), newWakeAddress(false, false))
		defer woken.close()
		hint, stop := woken.wait("a")
		requireHint(t, hint, "the subscription began")
		before := server.CommandCount()
		time.Sleep(time.Minute)
		synctest.Wait()
		pings := server.CommandCount() - before
		require.Positive(t, pings)
		require.LessOrEqual(t, pings, int(time.Minute/(wakeHealthLooks*wakeInterval)))
		requireNoHint(t, hint) // the pings were answered, so the subscription stayed

		stop()
		time.Sleep(2 * wakeInterval)
		synctest.Wait()
		before = server.CommandCount()
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		require.Equal(t, before, server.CommandCount())
	})
}

func TestWakeWhileTheServerIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := redistest.Mini(t)
		server.SetError("LOADING the data")
		woken := newWaker(server.Client(), newKeyspace("n"), newWakeAddress(false, false))
		defer woken.close()
		hint, stop := woken.wait("a")
		time.Sleep(time.Minute)
		synctest.Wait()
		requireNoHint(t, hint)
		server.SetError("")
		time.Sleep(2 * wakeLongestPause)
		synctest.Wait()
		requireHint(t, hint, "it is back")

		stop()
		server.SetError("LOADING the data")
		woken.mu.Lock()
		pubsub := woken.pubsub
		woken.mu.Unlock()
		require.NoError(t, pubsub.Close())
		time.Sleep(time.Minute)
		synctest.Wait()
		woken.mu.Lock()
		require.False(t, woken.listening, "nobody waits, so nobody reconnects")
		woken.mu.Unlock()
		server.SetError("")
		hint, stop = woken.wait("b")
		defer stop()
		requireHint(t, hint, "a new waiter opens it again")
	})
}
