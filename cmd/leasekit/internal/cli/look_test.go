package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

func decode[T any](t *tree, text string) (v T) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(text), &v), text)
	return v
}

func TestAcquireRenewRelease(t *testing.T) {
	t.Parallel()
	tr := newTree(t)
	text := tr.ok("acquire", "--ttl", "5m", "--holder", "it's me", "a", "b/")
	shell := tr.command()
	shell.Path, shell.Args = "/bin/sh", []string{"sh", "-ec", text + `
leasekit renew >/dev/null; leasekit check a b/c; leasekit release; leasekit release; leasekit renew || echo "status $?"`}
	out, err := shell.Output()
	require.NoError(t, err)
	require.Regexp(t, `(?s)a +mine +it's me .*b/c +mine +it's me .*status 76`, string(out))

	l := decode[lease.Lease](tr, tr.ok("acquire", "-o", "json", "a"))
	require.Equal(t, lease.Active, l.Status)
	require.Equal(t, time.Hour, l.TTL, "the configuration's")
	again := decode[lease.Lease](tr, tr.ok("acquire", "-o", "json", "--id", string(l.ID), "--holder", l.Holder, "a"))
	require.Equal(t, l.Token, again.Token, "asked again")
	require.Equal(t, 64, tr.run("acquire", "--id", string(l.ID), "--holder", l.Holder, "other").status)
	require.Equal(t, 75, tr.run("acquire", "-n", "a").status)
	require.Equal(t, 9, tr.run("acquire", "-w", "10ms", "-E", "9", "a").status)

	r := tr.run("renew", string(l.ID), "--holder", "other", "--token", "1", "-o", "json")
	require.Equal(t, 76, r.status)
	require.Equal(t, "not_holder", decode[struct{ Error struct{ Code string } }](tr, r.out).Error.Code)
	require.Equal(t, 64, tr.run("renew", string(l.ID)).status, "without holder and token")
	require.Equal(t, 64, tr.run("release").status)
	require.Equal(t, 64, tr.with("LEASEKIT_ID=x", "LEASEKIT_HOLDER=y", "LEASEKIT_TOKEN=z").run("renew").status)
	tr.ok("release", string(l.ID), "--holder", l.Holder)
	tr.ok("acquire", "-n", "a")
}

func TestCheck(t *testing.T) {
	t.Parallel()
	tr := newTree(t)
	tr.ok("acquire", "--holder", "first", "a")
	tr.ok("acquire", "--holder", "first", "-s", "shared")
	m := tr.manager()
	_, err := m.TryAcquire(t.Context(), lease.Request{ID: "w", Holder: "second", Claims: lease.Paths("a"), QueueTTL: time.Minute})
	require.ErrorIs(t, err, lease.ErrConflict)
	type row struct {
		State, Holder string
		Waiters       int
	}
	check := func(status int, args ...string) []row {
		r := tr.run(append([]string{"check", "-o", "json"}, args...)...)
		require.Equal(t, status, r.status, r.err)
		return decode[[]row](tr, r.out)
	}
	require.Equal(t, []row{{State: "free"}}, check(0, "b"))
	require.Equal(t, []row{{State: "held", Holder: "first", Waiters: 1}, {State: "free"}}, check(75, "a", "b"))
	require.Equal(t, []row{{State: "mine", Holder: "first"}}, check(0, "--holder", "first", "shared", "-s"))
	require.Equal(t, "free", check(0, "--holder", "first", "shared")[0].State, "it has it shared only, and nobody is in the way")
	require.Equal(t, "free", check(0, "-s", "shared")[0].State)
	require.Equal(t, "held", check(75, "-t", ".")[0].State)
	require.Equal(t, 64, tr.run("check").status)
	require.Equal(t, "mine\n", tr.with("LEASEKIT_HOLDER=first").ok("check", "-o", "name", "a"), "who waits for me is not in my way")
	require.Equal(t, 69, tr.run("check", "--store", filepath.Join(tr.dir, "none", "x.db"), "a").status)
}

func TestListsAndChains(t *testing.T) {
	t.Parallel()
	tr := newTree(t)
	m := tr.manager()
	tr.ok("acquire", "--holder", "A", "--label", "branch=main", "a/x")
	tr.ok("acquire", "--holder", "B", "b")
	for id, claim := range map[lease.ID]string{"wB": "a/x", "wC": "b"} {
		_, err := m.TryAcquire(t.Context(), lease.Request{ID: id, Holder: string(id[1:]), Claims: lease.Paths(claim), QueueTTL: time.Minute})
		require.ErrorIs(t, err, lease.ErrConflict)
	}
	require.Regexp(t, `(?m)^HOLDER +CLAIMS +AGE +EXPIRES IN +WAITERS\nA +a/x +\S+ +\S+ +1\nB +b `, tr.ok("ls"))
	require.Contains(t, tr.ok("ls", "-o", "wide"), "branch=main")
	require.Len(t, decode[[]lease.Lease](tr, tr.ok("ls", "-o", "json")), 2)
	require.Len(t, decode[[]lease.Lease](tr, tr.ok("ls", "-a", "-o", "json")), 4)
	require.Len(t, decode[[]lease.Lease](tr, tr.ok("ls", "a", "-o", "json")), 1, "at or below a")
	require.Len(t, strings.Fields(tr.ok("ls", "-o", "name", "--holder", "A")), 1)
	require.Equal(t, 2, strings.Count(tr.ok("ls", "-o", "jsonl"), "\n"))
	require.Regexp(t, `A +a/x`, tr.ok("who", "a/x"))
	r := tr.run("who", "free")
	require.Zero(t, r.status)
	require.Empty(t, r.out)
	require.Contains(t, r.err, "nobody holds free")
	require.Equal(t, "[]\n", tr.ok("who", "free", "-o", "json"))

	require.Regexp(t, `(?m)^1 +[BC] `, tr.ok("queue"))
	require.Regexp(t, regexp.MustCompile(`^C waits \S+ for b, place 1 in line
└─ B holds b since \S+, for another \S+
   └─ B waits \S+ for a/x, place 1 in line
      └─ A holds a/x since \S+, for another \S+
longest wait: \S+, by [BC] for \S+
$`), tr.ok("why", "wC"))
	require.Contains(t, tr.ok("why", "b"), "C waits")
	why := decode[struct {
		Chains []struct{ Next []struct{ Lease lease.Lease } }
	}](tr, tr.ok("why", "wC", "-o", "json"))
	require.Equal(t, "B", why.Chains[0].Next[0].Lease.Holder)
	require.Contains(t, tr.run("why", "free").err, "nobody holds free or waits for it")
	require.Contains(t, tr.ok("get", "wC"), "Status:    pending")
	require.Equal(t, 76, tr.run("get", "none").status)
	require.Contains(t, tr.ok("stats"), "Waiters:       2")
	require.Equal(t, 2, decode[lease.Stats](tr, tr.ok("stats", "-o", "json")).Pending)
	require.Contains(t, tr.ok("top"), "waiters 2")
}

func TestListFollows(t *testing.T) {
	tr := newTree(t)
	tr.ok("acquire", "--holder", "A", "a")
	p := tr.start("ls", "-w")
	require.Contains(t, p.line(), "STATUS")
	require.Contains(t, p.line(), "active")
	w := tr.start("watch", "-o", "jsonl", "--kind", "granted", "--after", "0")
	require.Contains(t, w.line(), `"holder":"A"`)
	tr.ok("acquire", "--holder", "B", "b")
	require.Regexp(t, `active +B +b`, p.line())
	require.Contains(t, w.line(), `"holder":"B"`)
	tr.ok("force-release", "--holder", "B", "--reason", "test")
	require.Regexp(t, `failed \(revoked\) +B +b`, p.line())
	require.NoError(t, p.Process.Signal(os.Interrupt))
	require.Equal(t, 130, p.end())
	require.Empty(t, p.errs.String())
	require.NoError(t, w.Process.Signal(os.Interrupt))
	require.Equal(t, 130, w.end())
}

func TestHistoryAndAudit(t *testing.T) {
	t.Parallel()
	tr := newTree(t)
	for _, path := range []string{"a", "b/c", "b/d"} {
		tr.ok("run", path, "--", "true")
	}
	count := func(args ...string) int {
		return len(decode[[]lease.Event](tr, tr.ok(append([]string{"history", "-o", "json"}, args...)...)))
	}
	require.Equal(t, 6, count())
	require.Equal(t, 2, count("a"))
	require.Equal(t, 4, count("--under", "b"))
	require.Equal(t, 3, count("--kind", "granted"))
	require.Equal(t, 6, count("--kind", "granted,released"))
	require.Equal(t, 2, count("--limit", "2"))
	require.Equal(t, 1, count("--since", "1h", "--limit", "1"))
	require.Zero(t, count("--since", "1ns"))
	require.Equal(t, 3, count("--after", "3"))
	require.Contains(t, tr.ok("history"), "released")
	require.Equal(t, 64, tr.run("history", "--kind", "nonsense").status)
	require.Equal(t, 64, tr.run("history", "--limit", "-1").status)
	require.Contains(t, tr.ok("audit"), "3 grants")
	report := decode[struct{ Violations []any }](tr, tr.ok("audit", "-o", "json"))
	require.Empty(t, report.Violations)
}

func TestOperators(t *testing.T) {
	t.Parallel()
	tr := newTree(t)
	tr.ok("acquire", "--holder", "A", "a")
	tr.ok("acquire", "--holder", "B", "t/")
	require.Equal(t, 64, tr.run("force-release", "--all").status, "a reason is required")
	require.Equal(t, 64, tr.run("force-release", "--reason", "x").status, "so is a filter")
	require.Equal(t, 64, tr.run("force-release", "--reason", "x", "--all", "--holder", "A").status)
	require.Equal(t, 64, tr.run("force-release", "--reason", "x", "--path", "t/f").status, "a tree reached through one path")
	require.Contains(t, tr.run("force-release", "--dry-run", "--all", "--reason", "x").err, "would end 2")
	r := tr.run("force-release", "--holder", "A", "--reason", "crashed")
	require.Contains(t, r.err, "ended 1")
	require.Regexp(t, `revoked .*tester@.*: crashed`, tr.ok("history", "a"))
	require.Len(t, strings.Fields(tr.ok("ls", "-o", "name")), 1)

	require.Equal(t, "1h0m0s\n", tr.ok("config", "get", "default_ttl"))
	require.Contains(t, tr.ok("config", "set", "default_ttl=10m", "blocking=false", "max_leases_per_holder=3"), "default_ttl=10m0s")
	require.Equal(t, "10m0s", decode[map[string]any](tr, tr.ok("config", "get", "-o", "json"))["default_ttl"])
	r = tr.run("run", "a", "-w", "1s", "--", "true")
	require.Zero(t, r.status, "a free path needs no waiting: %s", r.err)
	require.Equal(t, 75, tr.run("run", "t/f", "-w", "1s", "--", "true").status)
	for _, bad := range []string{"nonsense=1", "default_ttl", "default_ttl=x", "default_ttl=-1s", "version=7", "blocking=maybe", "max_renewals=1.5", "default_ttl=null", "=x"} {
		require.Equal(t, 64, tr.run("config", "set", bad).status, bad)
	}
	require.Equal(t, 64, tr.run("config", "get", "nonsense").status)
	require.Contains(t, tr.ok("sweep"), "expired 0")
	require.Equal(t, lease.SweepResult{}, decode[lease.SweepResult](tr, tr.ok("sweep", "-o", "json")))
}
