// Leader is leader election: three processes stand for one office, a lease, in
// a loop. Whoever has it leads until it ends or dies. Here two leaders in a row
// are killed with SIGKILL; each time another candidate takes over when the
// lease has run out, with a higher token.
//
//	go run ./examples/leader
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/sqlitebackend"
)

const (
	candidates = 3
	ttl        = 1500 * time.Millisecond // about how long there is no leader after one's death
	// dirVariable makes this program a candidate, and says where the leases are.
	dirVariable = "LEASEKIT_LEADER_DIR"
)

func main() {
	var err error
	if dir := os.Getenv(dirVariable); dir != "" {
		err = candidate(context.Background(), filepath.Join(dir, "leases.db"))
	} else if dir, err = os.MkdirTemp("", "leasekit-leader-"); err == nil {
		err = errors.Join(run(context.Background(), dir), os.RemoveAll(dir))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "FAILED:", err)
		os.Exit(1)
	}
}

// name is the holder's name of the candidate in a process.
func name(pid int) string { return fmt.Sprintf("candidate-%d", pid) }

// candidate stands for the office again and again, until standard input ends.
func candidate(ctx context.Context, file string) error {
	m, err := sqlitebackend.Open(ctx, file, nil)
	if err != nil {
		return err
	}
	defer m.Close()
	ctx, stop := context.WithCancel(ctx)
	go func() { _, _ = io.Copy(io.Discard, os.Stdin); stop() }()
	office := lease.Request{Holder: name(os.Getpid()), Claims: lease.Trees("jobs"), TTL: ttl, Timeout: lease.NoTimeout}
	for ctx.Err() == nil {
		err := lease.Do(ctx, m, office, func(ctx context.Context, _ lease.Lease) error {
			<-ctx.Done() // lead, until the office is lost; what is done should carry the token
			return nil
		})
		if err != nil && ctx.Err() == nil && !errors.Is(err, lease.ErrLost) {
			return err
		}
	}
	return nil
}

// process is a candidate, who stands until its input is closed.
type process struct {
	*exec.Cmd
	input io.Closer
}

func run(ctx context.Context, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel() // kills who is left
	m, err := sqlitebackend.Open(ctx, filepath.Join(dir, "leases.db"), nil)
	if err != nil {
		return err
	}
	defer m.Close()
	program, err := os.Executable()
	if err != nil {
		return err
	}
	standing := map[string]process{}
	for range candidates {
		p := process{Cmd: exec.CommandContext(ctx, program)}
		p.Env, p.Stderr = append(os.Environ(), dirVariable+"="+dir), os.Stderr
		p.input, err = p.StdinPipe()
		if err := errors.Join(err, p.Start()); err != nil {
			return err
		}
		standing[name(p.Process.Pid)] = p
	}
	var last lease.Token
	for e, err := range m.Watch(ctx, lease.Query{All: true, Kinds: []lease.Kind{lease.KindGranted}}) {
		if err != nil || e.Lease.Token <= last {
			return errors.Join(fmt.Errorf("elected with token %d after token %d", e.Lease.Token, last), err)
		}
		last = e.Lease.Token
		leader, found := standing[e.Lease.Holder]
		if !found {
			continue // it was elected twice before it was killed
		}
		delete(standing, e.Lease.Holder)
		fmt.Printf("%s: %s leads with token %d", e.At.Format("15:04:05.000"), e.Lease.Holder, last)
		if len(standing) == 0 {
			fmt.Println("\nOK: one leader after the other, each with a higher token than the one before")
			return errors.Join(leader.input.Close(), leader.Wait())
		}
		fmt.Println(", and is killed")
		if err := leader.Process.Kill(); err != nil {
			return err
		}
		_ = leader.Wait() // "signal: killed"
	}
	return ctx.Err()
}
