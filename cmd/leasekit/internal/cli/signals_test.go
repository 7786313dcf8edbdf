//go:build unix

package cli_test

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

func TestSignalEndsTheWait(t *testing.T) {
	tr := newTree(t)
	m := tr.manager()
	first := tr.holder("--holder", "first", "a")
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1} {
		head, err := m.Stats(t.Context())
		require.NoError(t, err)
		waiter := tr.start("run", "a", "--", "echo", "not run")
		for e, err := range m.Watch(t.Context(), lease.Query{After: head.Head, Kinds: []lease.Kind{lease.KindQueued}}) {
			require.NoError(t, err)
			require.NotEqual(t, "first", e.Lease.Holder)
			break
		}
		sent := time.Now()
		require.NoError(t, waiter.Process.Signal(s))
		require.Equal(t, 128+int(s), waiter.end(), waiter.errs.String())
		require.Less(t, time.Since(sent), 10*time.Second)
	}
	stats, err := m.Stats(t.Context())
	require.NoError(t, err)
	require.Zero(t, stats.Pending, "who gave up has left the line")
	first.stop()
}

func TestSignalsGoOnToTheCommand(t *testing.T) {
	tr := newTree(t)
	signals := []syscall.Signal{
		syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2,
		syscall.SIGALRM, syscall.SIGWINCH, syscall.SIGTERM,
	}
	var traps strings.Builder
	for _, s := range signals {
		traps.WriteString("trap 'echo got " + strconv.Itoa(int(s)) + "' " + strconv.Itoa(int(s)) + "; ")
	}
	p := tr.start("run", "a", "--", "sh", "-c", traps.String()+"echo ready $$; while :; do sleep 0.02; done")
	ready := strings.Fields(p.line())
	pid, err := strconv.Atoi(ready[1])
	require.NoError(t, err)
	group, err := syscall.Getpgid(pid)
	require.NoError(t, err)
	require.Equal(t, pid, group, "the command has a process group of its own")
	for _, s := range signals {
		require.NoError(t, p.Process.Signal(s))
		require.Equal(t, "got "+strconv.Itoa(int(s)), p.line())
	}
	require.NoError(t, syscall.Kill(-pid, syscall.SIGKILL))
	require.Equal(t, 137, p.end())
	require.Empty(t, tr.ok("ls", "-o", "name"))
}

func TestSignalEndsCommandAndRun(t *testing.T) {
	tr := newTree(t)
	p := tr.start("run", "a", "--", "sh", "-c", "echo ready; sleep 1000")
	require.Equal(t, "ready", p.line())
	require.NoError(t, p.Process.Signal(syscall.SIGTERM))
	require.Equal(t, 143, p.end())
	require.Empty(t, tr.ok("ls", "-o", "name"), "the lease was released")
}

func TestIgnoredSignalStaysIgnored(t *testing.T) {
	tr := newTree(t)
	p := tr.start("--help")
	require.Zero(t, p.end())
	c := tr.command()
	c.Path, c.Args = "/bin/sh", []string{"sh", "-c", "trap '' HUP; exec leasekit run a -- sh -c 'kill -HUP $PPID; kill -HUP $$; echo alive'"}
	out, err := c.Output()
	require.NoError(t, err)
	require.Equal(t, "alive\n", string(out))
}

func TestLostLeaseStopsTheCommand(t *testing.T) {
	tr := newTree(t)
	p := tr.start("run", "--ttl", "300ms", "a", "--", "sh", "-c", "trap 'echo got TERM; exit 5' TERM; echo ready; while :; do sleep 0.02; done")
	require.Equal(t, "ready", p.line())
	require.Contains(t, tr.ok("force-release", "--path", "a", "--reason", "test", "--actor", "me"), "a")
	require.Equal(t, "got TERM", p.line())
	require.Equal(t, 76, p.end())
	require.Contains(t, p.errs.String(), "revoked by me: test")
}

func TestLostLeaseKillsWhatIgnoresTERM(t *testing.T) {
	tr := newTree(t)
	p := tr.start("run", "--ttl", "300ms", "--grace", "50ms", "a", "--", "sh", "-c",
		"trap '' TERM; sleep 1000 & echo $! $$; while :; do sleep 0.02; done")
	pids := strings.Fields(p.line())
	tr.ok("force-release", "--path", "a", "--reason", "test")
	require.Equal(t, 76, p.end())
	for _, text := range pids {
		pid, err := strconv.Atoi(text)
		require.NoError(t, err)
		require.Eventually(t, func() bool { return gone(pid) }, patience, time.Millisecond, "process %d", pid)
	}
}

func TestLostLeaseKillsWhatTheCommandLeftBehind(t *testing.T) {
	tr := newTree(t)
	p := tr.start("run", "--ttl", "300ms", "--grace", "50ms", "a", "--", "sh", "-c",
		"(trap '' TERM; sleep 1000 >/dev/null 2>&1) & trap 'exit 0' TERM; echo $!; while :; do sleep 0.02; done")
	pid, err := strconv.Atoi(p.line())
	require.NoError(t, err)
	tr.ok("force-release", "--path", "a", "--reason", "test")
	require.Equal(t, 76, p.end())
	require.Eventually(t, func() bool { return gone(pid) }, patience, time.Millisecond)
}

// gone reports whether a process has ended; one that nobody waits for any more
// has, too.
func gone(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return true
	}
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && strings.Contains(string(b), ") Z ")
}

func TestLostLeaseMayOnlyWarn(t *testing.T) {
	tr := newTree(t)
	p := tr.start("run", "--ttl", "300ms", "--on-lost", "warn", "a", "--", "sh", "-c", "trap 'echo TERM' TERM; echo ready; read x; exit 4")
	require.Equal(t, "ready", p.line())
	tr.ok("force-release", "--path", "a", "--reason", "test")
	m := tr.manager()
	tr.event(m, lease.KindRevoked)
	_, err := p.input.Write([]byte("\n"))
	require.NoError(t, err)
	require.Equal(t, 4, p.end(), "the command's own status")
	require.Contains(t, p.errs.String(), "revoked")
}

func TestKilledRunLeavesItsLeaseForItsTTL(t *testing.T) {
	tr := newTree(t)
	p := tr.start("run", "--ttl", "500ms", "a", "--", "sh", "-c", "echo $$; exec sleep 1000")
	pid, err := strconv.Atoi(p.line())
	require.NoError(t, err)
	require.NoError(t, p.Process.Kill())
	_, err = p.Process.Wait() // not for the command, which lives on
	require.NoError(t, err)
	defer func() { _ = syscall.Kill(pid, syscall.SIGKILL) }()
	require.Equal(t, "next\n", tr.ok("run", "-w", "20s", "a", "--", "echo", "next"))
}
