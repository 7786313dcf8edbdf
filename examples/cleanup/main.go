// Cleanup is the emergency clean-up after an agent that crashed: a process is
// killed with SIGKILL while it holds leases of an hour. They would end by
// themselves, but nobody wants to wait so long: an operator ends them, and the
// history says who did it and why.
//
//	go run ./examples/cleanup
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/sqlitebackend"
)

// agentVariable tells this program that it is the agent, and where to work.
const agentVariable = "LEASEKIT_CLEANUP_AGENT"

func main() {
	var err error
	if dir := os.Getenv(agentVariable); dir != "" {
		err = agent(context.Background(), dir)
	} else if dir, err = os.MkdirTemp("", "leasekit-cleanup-"); err == nil {
		err = errors.Join(run(context.Background(), dir), os.RemoveAll(dir))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "FAILED:", err)
		os.Exit(1)
	}
	fmt.Println("OK: the dead agent's leases are gone, and everybody can read why")
}

// agent takes leases and hangs. It ends with its standard input, if nobody
// kills it before.
func agent(ctx context.Context, dir string) error {
	m, err := sqlitebackend.Open(ctx, filepath.Join(dir, "leases.db"), nil)
	if err != nil {
		return err
	}
	defer m.Close()
	for _, claims := range [][]lease.Claim{lease.Paths("go.mod", "go.sum"), lease.Trees("src/net")} {
		if _, err := m.Acquire(ctx, lease.Request{Holder: "agent-7", Claims: claims, TTL: time.Hour}); err != nil {
			return err
		}
	}
	fmt.Println("ready")
	_, err = bufio.NewReader(os.Stdin).ReadString('\n')
	return fmt.Errorf("not killed: %w", err)
}

func run(ctx context.Context, dir string) error {
	m, err := sqlitebackend.Open(ctx, filepath.Join(dir, "leases.db"), nil)
	if err != nil {
		return err
	}
	defer m.Close()
	if err := crash(dir); err != nil {
		return err
	}

	request := lease.Request{Holder: "agent-8", Claims: lease.Paths("src/net/dial.go")}
	if _, err = m.TryAcquire(ctx, request); !errors.Is(err, lease.ErrConflict) {
		return fmt.Errorf("asked for what a dead agent holds: %w", err)
	}
	fmt.Println("in the way:", err)
	by := lease.Revocation{Actor: "olga", Reason: "killed, see ticket 4711"}
	ended, err := m.ForceRelease(ctx, lease.Query{Holder: "agent-7"}, by)
	if err != nil || len(ended) != 2 {
		return errors.Join(fmt.Errorf("%d leases ended, not 2", len(ended)), err)
	}
	got, err := m.TryAcquire(ctx, request)
	if err != nil {
		return err
	}
	fmt.Println("agent-8 has", got.Claims)

	var kinds []lease.Kind
	for e, err := range m.History(ctx, lease.Query{Under: "/"}) {
		if err != nil {
			return err
		}
		kinds = append(kinds, e.Kind)
		fmt.Printf("history %d: %-8s %s %v  %s %s\n", e.Seq, e.Kind, e.Lease.Holder, e.Lease.Claims, e.Actor, e.Reason)
	}
	want := []lease.Kind{lease.KindGranted, lease.KindGranted, lease.KindRevoked, lease.KindRevoked, lease.KindGranted}
	if !slices.Equal(kinds, want) {
		return fmt.Errorf("the history is %v, not %v", kinds, want)
	}
	return m.Release(ctx, got.Ref())
}

// crash starts the agent, and kills it once it holds its leases.
func crash(dir string) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	agent := exec.Command(program)
	agent.Env, agent.Stderr = append(os.Environ(), agentVariable+"="+dir), os.Stderr
	_, inErr := agent.StdinPipe()
	out, outErr := agent.StdoutPipe()
	if err := errors.Join(inErr, outErr, agent.Start()); err != nil {
		return err
	}
	_, err = bufio.NewReader(out).ReadString('\n')
	err = errors.Join(err, agent.Process.Kill())
	_ = agent.Wait() // "signal: killed"
	fmt.Printf("agent-7 (pid %d) was killed while it held its leases\n", agent.Process.Pid)
	return err
}
