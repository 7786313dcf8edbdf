package cli_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/internal/redistest"
)

func TestRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Single(t)
	url := "redis://" + server.Addr() + "/0"
	tr := newTree(t).with("LEASEKIT_STORE=" + url)
	first := tr.holder("--holder", "first", "a")
	require.Equal(t, 75, tr.run("run", "-n", "a", "--", "true").status)
	require.Regexp(t, `first +a `, tr.ok("ls"))
	require.Contains(t, tr.ok("stats"), url)
	other := tr.with("LEASEKIT_NAMESPACE=other")
	require.Equal(t, "in other\n", other.ok("run", "-n", "a", "--", "sh", "-c", "echo in $LEASEKIT_NAMESPACE; leasekit ls -o name >/dev/null"))
	waiter := tr.start("run", "a", "--", "leasekit", "run", "-n", "a", "--", "echo", "nested")
	require.Eventually(t, func() bool { return tr.ok("queue", "-o", "name") != "" }, patience, patience/1000)
	first.stop()
	require.Equal(t, "nested", waiter.line())
	require.Zero(t, waiter.end())
	tr.ok("audit")

	server.Kill()
	r := tr.run("ls")
	require.Equal(t, 69, r.status)
	require.Contains(t, r.err, "next: ")
}

func TestStoreGoneWhileTheCommandRuns(t *testing.T) {
	server := redistest.Single(t)
	tr := newTree(t).with("LEASEKIT_STORE=redis://" + server.Addr() + "/0")
	p := tr.start("run", "--ttl", "1s", "a", "--", "sh", "-c", "trap 'echo got TERM; exit 0' TERM; echo ready; while :; do sleep 0.02; done")
	require.Equal(t, "ready", p.line())
	server.Kill()
	require.Equal(t, "got TERM", p.line(), "before anybody else can have it")
	require.Equal(t, 76, p.end())
	require.Contains(t, p.errs.String(), "the lease is lost")
}
