//go:build unix

package stoptest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/lease/fencefile"
)

// Outcome counts what TakeOver saw.
type Outcome struct {
	Stops    int // how often the process was stopped: more than once if it held up the store
	Finished int // takers that had written before the process was woken; the others waited for a turn that it was stopped in
}

// next is what the takers write.
const next = "from the next\n"

// TakeOver starts the command, which calls [Hold] with its standard input and
// output, and stops it at a random moment. It takes its leases over through m,
// once they have expired, and writes their files in dir; then it wakes the
// process, waits for its end, and looks at the files. The error says what the
// process could do that it must not.
//
// A moment at which the process holds up the store for everybody, as a writer
// of SQLite does in the middle of a transaction, is no moment for a take-over;
// then it is woken at once and stopped again.
func TakeOver(ctx context.Context, command *exec.Cmd, m lease.Manager, dir string, leases int) (Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	var seen Outcome
	fence, err := fencefile.Open(dir)
	if err != nil {
		return seen, err
	}
	defer fence.Close()
	answers, err := begin(command, fmt.Sprintf("%s\n%d\n", dir, leases))
	if err != nil {
		return seen, err
	}
	defer func() {
		_ = command.Process.Kill() // it may have ended
		_ = command.Wait()         // how it ended is what its answers say
	}()
	if err := answers.expect(ready); err != nil {
		return seen, err
	}

	for blocked := true; blocked; seen.Stops++ {
		<-time.After(rand.N(TTL)) // the moment is what is drawn
		if err := stop(command.Process); err != nil {
			return seen, err
		}
		if blocked = blocks(ctx, m, request("probe", dir, "probe", time.Hour)); blocked {
			if err := command.Process.Signal(syscall.SIGCONT); err != nil {
				return seen, err
			}
		}
	}
	taken := make(chan error, leases)
	for i := range leases {
		go func() { taken <- take(ctx, m, request("next", dir, file(i), time.Hour), fence, file(i)) }()
	}
	// A taker whose turn the process was stopped in would wait for ever, so it
	// is woken in the end all the same.
	deadline, cancelDeadline := context.WithTimeout(ctx, 3*TTL)
	defer cancelDeadline()
	if seen.Finished, err = collect(deadline, taken, leases); err != nil {
		return seen, err
	}
	if err := command.Process.Signal(syscall.SIGCONT); err != nil {
		return seen, err
	}
	if late, err := collect(ctx, taken, leases-seen.Finished); err != nil || late+seen.Finished < leases {
		return seen, errors.Join(err, ctx.Err())
	}
	for range leases {
		if err := answers.expect(refused); err != nil {
			return seen, err
		}
	}
	return seen, look(dir, leases)
}

// collect waits for so many takers, or for the end of ctx, and counts those that
// were in time.
func collect(ctx context.Context, taken <-chan error, takers int) (finished int, err error) {
	for finished < takers {
		select {
		case err := <-taken:
			if err != nil {
				return finished, err
			}
			finished++
		case <-ctx.Done():
			return finished, nil
		}
	}
	return finished, nil
}

// take waits for the lease on the file, as the next holder, and writes it.
func take(ctx context.Context, m lease.Acquirer, r lease.Request, fence *fencefile.Dir, name string) error {
	l, err := m.Acquire(ctx, r)
	if err != nil {
		return err
	}
	return fence.WriteFile(ctx, l.Ref(), name, []byte(next), 0o644)
}

// blocks reports whether the stopped process keeps others from the store.
func blocks(ctx context.Context, m lease.Acquirer, probe lease.Request) bool {
	ctx, cancel := context.WithTimeout(ctx, TTL/2)
	defer cancel()
	l, err := m.TryAcquire(ctx, probe)
	return err != nil || m.Release(ctx, l.Ref()) != nil
}

// look checks that the files are what the takers wrote.
func look(dir string, leases int) error {
	var errs []error
	for i := range leases {
		content, err := os.ReadFile(filepath.Join(dir, file(i)))
		if err == nil && string(content) != next {
			err = fmt.Errorf("%s was written after it had been taken over: %q", file(i), content)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// stop stops the process, and returns when it has stopped.
func stop(p *os.Process) error {
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(p.Pid, &status, syscall.WUNTRACED, nil); err != nil {
		return err
	}
	if !status.Stopped() {
		return fmt.Errorf("the process ended: status %v", status)
	}
	return nil
}

// output is what the process says, line by line.
type output struct{ lines *bufio.Scanner }

// begin starts the command with its orders.
func begin(command *exec.Cmd, orders string) (output, error) {
	command.Stderr = os.Stderr
	in, err := command.StdinPipe()
	if err != nil {
		return output{}, err
	}
	out, err := command.StdoutPipe()
	if err != nil {
		return output{}, err
	}
	if err := command.Start(); err != nil {
		return output{}, err
	}
	_, err = in.Write([]byte(orders))
	return output{bufio.NewScanner(out)}, err
}

// expect waits for a line, and is an error if it is another one.
func (o output) expect(want string) error {
	if !o.lines.Scan() {
		return fmt.Errorf("the process ended: %w", errors.Join(o.lines.Err(), errors.New("no more output")))
	}
	if got := o.lines.Text(); got != want {
		return fmt.Errorf("the process says %q, want %q", got, want)
	}
	return nil
}
