//go:build unix

// Fenced is what a fencing token is for. A writer is stopped with SIGSTOP until
// its lease has run out and another one has written the file. It wakes up and
// goes on as if nothing had happened, without a look at the clock: its write is
// refused with fencefile.ErrStale, and the file is what the other one wrote.
//
//	go run ./examples/fenced
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/lease/fencefile"
	"github.com/leasekit/leasekit/sqlitebackend"
)

// sleeperVariable makes this program the one that is stopped, in this directory.
const sleeperVariable = "LEASEKIT_FENCED_SLEEPER"

func main() {
	var err error
	if dir := os.Getenv(sleeperVariable); dir != "" {
		err = work(context.Background(), dir, sleeper)
	} else if dir, err = os.MkdirTemp("", "leasekit-fenced-"); err == nil {
		err = errors.Join(work(context.Background(), dir, other), os.RemoveAll(dir))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "FAILED:", err)
		os.Exit(1)
	}
}

// work opens what both processes use, the leases and the files.
func work(ctx context.Context, dir string, f func(context.Context, lease.Manager, *fencefile.Dir, string) error) error {
	m, err := sqlitebackend.Open(ctx, filepath.Join(dir, "leases.db"), nil)
	if err != nil {
		return err
	}
	defer m.Close()
	files, err := fencefile.Open(dir)
	if err != nil {
		return err
	}
	defer files.Close()
	return f(ctx, m, files, dir)
}

func request(holder string) lease.Request {
	return lease.Request{Holder: holder, Claims: lease.Paths("notes.txt"), TTL: 1500 * time.Millisecond}
}

// sleeper is stopped between its grant and its write. It renews nothing: who is
// stopped cannot.
func sleeper(ctx context.Context, m lease.Manager, files *fencefile.Dir, _ string) error {
	l, err := m.Acquire(ctx, request("sleeper"))
	if err != nil {
		return err
	}
	fmt.Println("about to write")
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n') // here it is stopped
	err = files.WriteFile(ctx, l.Ref(), "notes.txt", []byte("the sleeper's"), 0o644)
	if !errors.Is(err, fencefile.ErrStale) || l.Valid() {
		return fmt.Errorf("wrote with an old token, on a lease that is valid (%v): %w", l.Valid(), err)
	}
	fmt.Println("sleeper: woke up and wrote:", err)
	return nil
}

// other stops the sleeper, takes over, writes, and lets the sleeper go on.
func other(ctx context.Context, m lease.Manager, files *fencefile.Dir, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel() // kills the sleeper, if it still lives
	program, err := os.Executable()
	if err != nil {
		return err
	}
	child := exec.CommandContext(ctx, program)
	child.Env, child.Stderr = append(os.Environ(), sleeperVariable+"="+dir), os.Stderr
	in, inErr := child.StdinPipe()
	pipe, outErr := child.StdoutPipe()
	if err := errors.Join(inErr, outErr, child.Start()); err != nil {
		return err
	}
	out := bufio.NewReader(pipe)
	_, err = out.ReadString('\n')
	if err := errors.Join(err, child.Process.Signal(syscall.SIGSTOP)); err != nil {
		return err
	}
	fmt.Printf("sleeper (pid %d): granted, about to write, and stopped\n", child.Process.Pid)
	l, err := m.Acquire(ctx, request("other"))
	if err != nil {
		return err
	}
	if err := files.WriteFile(ctx, l.Ref(), "notes.txt", []byte("the other's"), 0o644); err != nil {
		return err
	}
	fmt.Printf("other: waited %v for the sleeper's lease to end, and wrote with token %d\n", l.Waited, l.Token)
	_, err = fmt.Fprintln(in)
	if err := errors.Join(err, child.Process.Signal(syscall.SIGCONT)); err != nil {
		return err
	}
	_, _ = out.WriteTo(os.Stdout)
	text, err := os.ReadFile(filepath.Join(dir, "notes.txt"))
	if err := errors.Join(child.Wait(), err); err != nil || string(text) != "the other's" {
		return errors.Join(fmt.Errorf("notes.txt says %q", text), err)
	}
	fmt.Printf("OK: notes.txt says %q\n", text)
	return nil
}
