package redisbackend

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/internal/redistest"
)

// stub is a script with operations of a test, in place of the modules.
func stub(operations part) *script {
	return newScript(
		part{name: "stub.lua", source: `
local call, find, match, format, min, argv, at = redis.call, string.find, string.match, string.format, math.min, ARGV, 1
local namespace = match(KEYS[1], '^[^}]*}:')
local state, recorded, finished, before, events, endings = { work = 0, seq = 0, arrivals = 0 }, 0, 0, 0, {}, {}
local step, operations, op, woken, refusal
local function uncontended() end
local WHERE = ' attempt=stub '
local function moduleLoader()`},
		luaPart("step"), luaPart("publish"), operations, part{name: "stub.lua", source: `
function step.perform(name, ...) return operations[name](...) end
end`},
		luaPart("batch"), part{name: "stub.lua", source: "return refusal or replies"},
	)
}

// probe has one operation for each thing that a test wants to see.
const probe = `
operations['echo'] = function(...) return { ... } end
operations['join'] = function(...) return table.concat({ ... }, '+') end
operations['none'] = function() end
operations['add'] = function(...) local a = { ... } -- counts each call named a[2] once, as real operations are made to be repeated
  if redis.call('SADD', namespace .. a[1] .. '-calls', a[2]) == 1 then
    redis.call('INCR', namespace .. a[1])
  end
  return 'added'
end
operations['raise'] = function() error('raised\nover two lines') end
operations['index'] = function(...) local a = { ... } return a.missing.field end
operations['wrong'] = function(...) local a = { ... }
  redis.call('SET', namespace .. 'text', 'text')
  return redis.call('INCR', namespace .. 'text')
end
operations['wake'] = function(...) local a = { ... }
  local message = ''
  for i = 2, #a do message = message .. #a[i] .. ':' .. a[i] end
  return step.tell(a[1], message)
end
`

func probeScript() *script { return stub(part{name: "probe.lua", source: probe}) }

// addMany counts calls of 'add' from several goroutines through a combiner while disturb runs, and returns how many
// were answered and how many brought an error. disturb is given a function that waits for the next answer.
func addMany(t *testing.T, client redis.UniversalClient, names keyspace, disturb func(progress func())) (answered, failed int) {
	answers := make(chan struct{}, 1)
	combined := newScriptCombiner(client, probeScript(), names.keys("lease"))
	defer combined.close()
	stop := make(chan struct{})
	var mu sync.Mutex
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				_, err := combined.do(t.Context(), "add", "count", strconv.Itoa(i)+"."+strconv.Itoa(n))
				mu.Lock()
				if err == nil {
					answered++
				} else {
					failed++
				}
				mu.Unlock()
				wakeUp(answers)
			}
		})
	}
	disturb(func() { <-answers })
	close(stop)
	group.Wait()
	return answered, failed
}

func TestScriptsThatTheServerForgot(t *testing.T) {
	server := redistest.Single(t)
	client, names := server.Client(), newKeyspace("n")
	answered, failed := addMany(t, client, names, func(progress func()) {
		for range 50 {
			progress()
			server.Do("SCRIPT", "FLUSH")
		}
	})
	require.Zero(t, failed)
	require.Positive(t, answered)
	require.Equal(t, strconv.Itoa(answered), client.Get(t.Context(), names.key("count")).Val())
}

func TestConnectionsThatAreKilled(t *testing.T) {
	server := redistest.Single(t)
	client, names := server.Client(), newKeyspace("n")
	answered, failed := addMany(t, client, names, func(progress func()) {
		for range 50 {
			progress()
			server.Do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
		}
	})
	t.Logf("%d answered, %d failed", answered, failed)
	require.Positive(t, answered)
	counted, err := client.Get(t.Context(), names.key("count")).Int()
	require.NoError(t, err)
	require.GreaterOrEqual(t, counted, answered, "what was answered was done")
	require.LessOrEqual(t, counted, answered+failed, "what was repeated was done once")
}

func TestServerThatRestarts(t *testing.T) {
	server := redistest.Single(t)
	client, names := server.Client(), newKeyspace("n")
	answered, failed := addMany(t, client, names, func(progress func()) {
		progress()
		server.Restart(redistest.KeepData)
		require.NoError(t, client.Ping(t.Context()).Err())
	})
	counted, err := client.Get(t.Context(), names.key("count")).Int()
	require.NoError(t, err)
	require.GreaterOrEqual(t, counted, answered)
	require.LessOrEqual(t, counted, answered+failed)
}

func TestLostReplies(t *testing.T) {
	server := redistest.Single(t)
	proxy := redistest.NewProxy(t, server.Addr())
	client := redis.NewClient(&redis.Options{Addr: proxy.Addr()})
	defer client.Close()
	names := newKeyspace("n")
	combined := newScriptCombiner(client, probeScript(), names.keys("lease"))
	defer combined.close()
	for i := range 20 {
		proxy.LoseReplyTo("evalsha", 1)
		reply, err := combined.do(t.Context(), "add", "count", strconv.Itoa(i))
		require.NoError(t, err, "go-redis sent it again")
		require.Equal(t, "added", reply)
	}
	require.Equal(t, "20", server.Do("GET", names.key("count")))
}

// TestReplies runs on miniredis and on a real server, which differ in how they report errors.
func TestReplies(t *testing.T) {
	clients := map[string]func(t *testing.T) redis.UniversalClient{
		"miniredis": func(t *testing.T) redis.UniversalClient { return redistest.Mini(t).Client() },
		"redis":     func(t *testing.T) redis.UniversalClient { return redistest.Single(t).Client() },
	}
	for name, connect := range clients {
		t.Run(name, func(t *testing.T) {
			names := newKeyspace("n")
			combined := newScriptCombiner(connect(t), probeScript(), names.keys("lease"))
			defer combined.close()
			ctx := t.Context()

			binary := "\x00\xff:{}\r\n%*" + strings.Repeat("ü", 5000)
			reply, err := combined.do(ctx, "echo", "", binary, []byte("bytes"))
			require.NoError(t, err)
			require.Equal(t, []any{"", binary, "bytes"}, reply)
			reply, err = combined.do(ctx, "none")
			require.NoError(t, err)
			require.Nil(t, reply)

			_, err = combined.do(ctx, "raise")
			require.ErrorContains(t, err, "raised over two lines")
			_, err = combined.do(ctx, "index")
			require.ErrorContains(t, err, "probe.lua:12: ", "the error names the file and its line")
			_, err = combined.do(ctx, "wrong")
			require.ErrorContains(t, err, "not an integer")
			_, err = combined.do(ctx, "nothing")
			require.ErrorContains(t, err, "unknown operation nothing")
			require.NotErrorIs(t, err, errUnknown)
		})
	}
}

// TestScriptOfManyLines checks the arithmetic of locate at the borders of the parts.
func TestScriptOfManyLines(t *testing.T) {
	program := newScript(part{name: "a.lua", source: "local a\nlocal b\n"}, part{name: "b.lua", source: "local c"}, part{name: "c.lua", source: "error('here')\n"})
	for _, client := range []redis.Scripter{redistest.Mini(t).Client(), redistest.Single(t).Client()} {
		_, err := program.run(t.Context(), client, []string{"k"})
		require.ErrorContains(t, err, "c.lua:1: ")
		require.ErrorContains(t, err, "here")
	}
}

// TestServerErrorsReachTheClient: a replica refuses every write, so go-redis must see that and look for the master.
func TestServerErrorsReachTheClient(t *testing.T) {
	server := redistest.Single(t)
	server.Do("REPLICAOF", "127.0.0.1", "1")
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), MaxRetries: -1})
	defer client.Close()
	names := newKeyspace("n")
	reply, err := probeScript().run(t.Context(), client, names.keys("lease"), "join", 2, "a", "b", "add", 2, "count", "1")
	require.Nil(t, reply)
	require.True(t, redis.HasErrorPrefix(err, "READONLY"), "%v", err)
}

func TestClusterFailover(t *testing.T) {
	t.Parallel()
	cluster := redistest.Cluster(t)
	names := newKeyspace("n")
	client := cluster.Client()
	program := probeScript()
	keys := names.keys("lease")
	run := func() error {
		_, err := program.run(t.Context(), client, keys, "echo", 1, "a")
		return err
	}
	require.NoError(t, run())
	cluster.MasterOf(keys[0]).Kill()
	require.Eventually(t, func() bool { return run() == nil }, 30*time.Second, time.Millisecond,
		"the client finds the new master long before the minute after which go-redis would look")

	t.Run("wake", func(t *testing.T) {
		require.True(t, shards(client))
		checkWakes(t, client, names, newWakeAddress(shards(client), false))
	})
}

func TestSentinelFailover(t *testing.T) {
	t.Parallel()
	servers := redistest.Sentinel(t)
	names := newKeyspace("n")
	client := servers.Client()
	woken := newWaker(client, names, newWakeAddress(shards(client), false))
	defer woken.close()
	hint, stop := woken.wait("a")
	defer stop()
	requireHint(t, hint, "the subscription began")

	combined := newScriptCombiner(client, probeScript(), names.keys("lease"))
	defer combined.close()
	servers.Master().Kill()
	require.Eventually(t, func() bool {
		_, err := combined.do(context.Background(), "add", "count", "1")
		return err == nil
	}, 30*time.Second, time.Millisecond)
	requireHint(t, hint, "the subscription moved to the new master")
}
