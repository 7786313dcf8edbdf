// Package proctest is for tests that need several processes: it runs the test's
// own binary again, with a role in the environment.
package proctest

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	roleVariable = "LEASEKIT_TEST_ROLE"
	pathVariable = "LEASEKIT_TEST_PATH"
)

// Roles are what a child process can be. A role gets the path that it was
// started with, reads its orders from standard input, line by line, and answers
// on standard output.
type Roles map[string]func(path string, orders *bufio.Scanner) error

// Main is for TestMain: it plays the role of a child and exits, or runs the
// tests, which m does ([testing.M]).
func Main(m interface{ Run() int }, roles Roles) {
	role := os.Getenv(roleVariable)
	if role == "" {
		os.Exit(m.Run())
	}
	if err := roles[role](os.Getenv(pathVariable), bufio.NewScanner(os.Stdin)); err != nil {
		Say("error:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// Say is how a child answers.
func Say(words ...any) { fmt.Fprintln(os.Stdout, words...) }

// Process is a child of the test.
type Process struct {
	t       testing.TB
	command *exec.Cmd
	orders  io.WriteCloser
	answers *bufio.Scanner
}

// Start starts a child; it is killed when the test ends.
func Start(t testing.TB, role, path string) *Process {
	t.Helper()
	command := Command(t, role, path)
	command.Stderr = os.Stderr
	orders, err := command.StdinPipe()
	must(t, err)
	answers, err := command.StdoutPipe()
	must(t, err)
	must(t, command.Start())
	p := &Process{t: t, command: command, orders: orders, answers: bufio.NewScanner(answers)}
	t.Cleanup(p.Kill)
	return p
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Pid is the child's process ID.
func (p *Process) Pid() int { return p.command.Process.Pid }

// Order sends a line to the child.
func (p *Process) Order(line string) {
	p.t.Helper()
	_, err := fmt.Fprintln(p.orders, line)
	must(p.t, err)
}

// Expect waits for the child's next line.
func (p *Process) Expect(want string) {
	p.t.Helper()
	if got := p.Answer(); got != want {
		p.t.Fatalf("the child answers %q, want %q", got, want)
	}
}

// Answer returns the child's next line.
func (p *Process) Answer() string {
	p.t.Helper()
	if !p.answers.Scan() {
		p.t.Fatalf("the child ended: %v", p.answers.Err())
	}
	line := p.answers.Text()
	if strings.HasPrefix(line, "error:") {
		p.t.Fatal(line)
	}
	return line
}

// Tell orders the child something and waits until it is done.
func (p *Process) Tell(order string) {
	p.t.Helper()
	p.Order(order)
	p.Expect("done")
}

// Used returns the processor time of a child that has ended.
func (p *Process) Used() time.Duration {
	return p.command.ProcessState.UserTime() + p.command.ProcessState.SystemTime()
}

// Command returns the command that runs the test's binary in a role.
func Command(t testing.TB, role, path string) *exec.Cmd {
	t.Helper()
	program, err := os.Executable()
	must(t, err)
	command := exec.Command(program)
	command.Env = append(os.Environ(), roleVariable+"="+role, pathVariable+"="+path)
	return command
}

// KillSilent kills the child, which must have said nothing but these words
// before.
func (p *Process) KillSilent(allowed ...string) {
	p.t.Helper()
	_ = p.command.Process.Kill()
	for p.answers.Scan() {
		if !slices.Contains(allowed, p.answers.Text()) {
			p.t.Error(p.answers.Text())
		}
	}
	_ = p.command.Wait()
}

// Kill is kill -9; the child gets no chance to clean up.
func (p *Process) Kill() {
	_ = p.command.Process.Kill()
	_ = p.command.Wait()
}

// Finish ends the child's orders and waits for its exit.
func (p *Process) Finish() {
	p.t.Helper()
	FinishAll([]*Process{p})
}

// FinishAll does so for several children at once: built with the race detector,
// each sleeps for a second before it exits.
func FinishAll(children []*Process) {
	for _, p := range children {
		p.t.Helper()
		must(p.t, p.orders.Close())
	}
	for _, p := range children {
		for p.answers.Scan() {
			if strings.HasPrefix(p.answers.Text(), "error:") {
				p.t.Error(p.answers.Text())
			}
		}
		must(p.t, p.command.Wait())
	}
}
