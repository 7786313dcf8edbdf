package sqlitebackend

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func init() {
	roles["gate"] = func(path string, orders *bufio.Scanner) error {
		g, err := openGate(path)
		if err != nil {
			return err
		}
		for orders.Scan() {
			switch orders.Text() {
			case "enter":
				if err := g.enter(context.Background()); err != nil {
					return err
				}
			case "leave":
				g.leave()
			}
			fmt.Fprintln(os.Stdout, "done")
		}
		return g.close()
	}
}

// tell orders the child something and waits until it is done.
func (p *process) tell(order string) {
	p.t.Helper()
	p.order(order)
	p.expect("done")
}

func mustOpenGate(t testing.TB, path string) *gate {
	t.Helper()
	if !gatesWork {
		t.Skip("no flock on this system")
	}
	g, err := openGate(path)
	require.NoError(t, err)
	return g
}

// entered reports whether the gate lets us in within a moment.
func entered(t testing.TB, g *gate) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err := g.enter(ctx)
	if err != nil {
		require.ErrorIs(t, err, context.DeadlineExceeded)
	}
	return err == nil
}

func TestGateBetweenProcesses(t *testing.T) {
	path := newPath(t)
	g := mustOpenGate(t, path)
	child := startProcess(t, "gate", path)
	child.tell("enter")
	require.False(t, entered(t, g))
	require.False(t, entered(t, g), "while an earlier attempt still waits in the kernel")
	child.tell("leave")
	require.NoError(t, g.enter(t.Context()))
	g.leave()

	child.tell("enter")
	child.kill()
	require.NoError(t, g.enter(t.Context()), "the lock has gone with its process")

	next := startProcess(t, "gate", path)
	next.order("enter")
	g.leave()
	next.expect("done")
	next.tell("leave")
	next.finish()
	require.NoError(t, g.close())
}

func TestGateCloseWhileAnotherProcessIsInside(t *testing.T) {
	path := newPath(t)
	g := mustOpenGate(t, path)
	child := startProcess(t, "gate", path)
	child.tell("enter")
	require.False(t, entered(t, g)) // leaves a goroutine waiting in the kernel
	start := time.Now()
	require.NoError(t, g.close())
	require.GreaterOrEqual(t, time.Since(start), gatePatience)

	// When the other process leaves, what was left behind does not keep the
	// lock.
	child.tell("leave")
	again := mustOpenGate(t, path)
	require.NotSame(t, g, again)
	require.NoError(t, again.enter(t.Context()))
	again.leave()
	require.NoError(t, again.close())
	require.Eventually(t, func() bool {
		_, err := g.file.Stat()
		return errors.Is(err, os.ErrClosed)
	}, 5*time.Second, time.Millisecond, "nor the file open")
}

func TestGateIsSharedInOneProcess(t *testing.T) {
	path := newPath(t)
	first := mustOpenGate(t, path)
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(filepath.Dir(path), link))
	second := mustOpenGate(t, filepath.Join(link, filepath.Base(path)))
	require.Same(t, first, second, "whatever the path")
	other := mustOpenGate(t, newPath(t))
	require.NotSame(t, first, other)

	require.NoError(t, first.enter(t.Context()))
	require.False(t, entered(t, second))
	require.True(t, entered(t, other))
	other.leave()
	first.leave()

	require.NoError(t, first.close())
	require.True(t, entered(t, second), "it is still open for the second")
	second.leave()
	require.NoError(t, second.close())
	require.NoError(t, other.close())
	gates.mutex.Lock()
	defer gates.mutex.Unlock()
	require.NotContains(t, gates.open, first)
	require.NotContains(t, gates.open, other)
}

func TestGateHasTheDatabasesPermissions(t *testing.T) {
	path := newPath(t)
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	require.NoError(t, mustOpenGate(t, path).close())
	info, err := os.Stat(path + "-gate")
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func TestGateInMemory(t *testing.T) {
	g, err := openGate("")
	require.NoError(t, err)
	require.NoError(t, g.enter(t.Context()))
	require.NoError(t, g.enter(t.Context()), "always open")
	g.leave()
	require.NoError(t, g.close())
}
