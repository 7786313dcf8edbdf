package boltstore_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/conformance"
	"github.com/leasekit/leasekit/examples/boltstore"
	"github.com/leasekit/leasekit/lease"
)

// childFile is where a child process finds the file to work on.
const childFile = "BOLTSTORE_TEST_FILE"

func TestMain(m *testing.M) {
	if path := os.Getenv(childFile); path != "" {
		if err := work(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// work acquires, renews, waits and releases until the process is killed. It says
// what it was promised, each promise in a line.
func work(path string) error {
	file, err := boltstore.Open(path, nil)
	if err != nil {
		return err
	}
	m, ctx := backend.New(file.Store(), nil), context.Background()
	held, err := m.TryAcquire(ctx, lease.Request{Holder: "long", Claims: lease.Trees("busy"), TTL: time.Hour})
	if err == nil {
		fmt.Fprintln(os.Stdout, "held", held.ID, uint64(held.Token))
	}
	go func() { // it waits when the process is killed, or is granted what the one before held
		_, _ = m.Acquire(ctx, lease.Request{Holder: "waiter", Claims: lease.Paths("busy/f"), Timeout: lease.NoTimeout})
	}()
	for n := 0; ; n++ {
		l, err := m.TryAcquire(ctx, lease.Request{Holder: "short", Claims: lease.Paths(fmt.Sprint("f/", n%50)), TTL: time.Hour})
		if err != nil {
			return err
		}
		fmt.Fprintln(os.Stdout, "held", l.ID, uint64(l.Token))
		if n%3 == 0 {
			if err := m.Release(ctx, l.Ref()); err != nil {
				return err
			}
			fmt.Fprintln(os.Stdout, "released", l.ID, uint64(l.Token))
		}
	}
}

// TestKilled: what a killed process was told is there when the file is opened
// again, no token comes twice, and nobody waits behind its waiters.
func TestKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "leases.db")
	var newest lease.Token
	for range 5 {
		promised := killedAfter(t, path, 20+rand.IntN(200))
		file, err := boltstore.Open(path, nil)
		require.NoError(t, err)
		m := backend.New(file.Store(), nil)
		highest := newest
		for id, p := range promised {
			require.Greater(t, p.token, newest, "a token came twice")
			highest = max(highest, p.token)
			l, err := m.Get(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, p.token, l.Token)
			if p.released {
				require.Equal(t, lease.Released, l.Status)
			} else if l.Status != lease.Active { // its release may have been done and not been said any more
				require.Equal(t, lease.Released, l.Status)
			}
		}
		newest = highest
		conformance.Check(t, m)

		_, err = m.ForceRelease(t.Context(), lease.Query{Holder: "long"}, lease.Revocation{Actor: "test", Reason: "killed"})
		require.NoError(t, err)
		began := time.Now()
		l, err := m.Acquire(t.Context(), lease.Request{Holder: "next", Claims: lease.Paths("busy/f"), Timeout: time.Minute})
		require.NoError(t, err, "a dead waiter is in the way")
		require.Less(t, time.Since(began), 5*time.Second, "a dead waiter was passed late")
		require.NoError(t, m.Release(t.Context(), l.Ref()))
		require.NoError(t, m.Close())
		require.NoError(t, file.Close())
	}
}

type promise struct {
	token    lease.Token
	released bool
}

// killedAfter runs a child, kills it after so many promises, and returns all.
func killedAfter(t *testing.T, path string, lines int) map[lease.ID]promise {
	program, err := os.Executable()
	require.NoError(t, err)
	child := exec.CommandContext(t.Context(), program)
	child.Env = append(os.Environ(), childFile+"="+path)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	promised := map[lease.ID]promise{}
	said := bufio.NewScanner(out)
	for n := 0; said.Scan(); n++ {
		var what string
		var id lease.ID
		var token lease.Token
		if _, err := fmt.Sscan(said.Text(), &what, &id, &token); err != nil {
			break // it was killed within the line
		}
		promised[id] = promise{token: token, released: what == "released"}
		if n == lines {
			require.NoError(t, child.Process.Kill())
		}
	}
	require.Error(t, child.Wait(), "it was killed")
	require.Greater(t, len(promised), lines/2)
	return promised
}
