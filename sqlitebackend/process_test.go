package sqlitebackend

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Tests that need several processes run this test binary again with a role in
// the environment.
const (
	roleVariable = "SQLITEBACKEND_ROLE"
	pathVariable = "SQLITEBACKEND_PATH"
)

// roles are what a child process can be. It reads its orders from standard
// input, line by line, and answers on standard output.
var roles = map[string]func(path string, orders *bufio.Scanner) error{}

func TestMain(m *testing.M) {
	role := os.Getenv(roleVariable)
	if role == "" {
		os.Exit(m.Run())
	}
	if err := roles[role](os.Getenv(pathVariable), bufio.NewScanner(os.Stdin)); err != nil {
		fmt.Fprintln(os.Stdout, "error:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// process is a child of the test.
type process struct {
	t       testing.TB
	command *exec.Cmd
	orders  io.WriteCloser
	answers *bufio.Scanner
}

// startProcess starts a child; it is killed when the test ends.
func startProcess(t testing.TB, role, path string) *process {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	command := exec.Command(program)
	command.Env = append(os.Environ(), roleVariable+"="+role, pathVariable+"="+path)
	command.Stderr = os.Stderr
	orders, err := command.StdinPipe()
	require.NoError(t, err)
	answers, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	p := &process{t: t, command: command, orders: orders, answers: bufio.NewScanner(answers)}
	t.Cleanup(p.kill)
	return p
}

// order sends a line to the child.
func (p *process) order(line string) {
	p.t.Helper()
	_, err := fmt.Fprintln(p.orders, line)
	require.NoError(p.t, err)
}

// expect waits for the child's next line.
func (p *process) expect(want string) {
	p.t.Helper()
	require.Equal(p.t, want, p.answer())
}

func (p *process) answer() string {
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

// kill is kill -9; the child gets no chance to clean up.
func (p *process) kill() {
	_ = p.command.Process.Kill()
	_ = p.command.Wait()
}

// finish ends the child's orders and waits for its exit.
func (p *process) finish() {
	p.t.Helper()
	finishAll([]*process{p})
}

// finishAll does so for several children at once: built with the race detector,
// each sleeps for a second before it exits.
func finishAll(children []*process) {
	for _, p := range children {
		p.t.Helper()
		require.NoError(p.t, p.orders.Close())
	}
	for _, p := range children {
		for p.answers.Scan() {
			if strings.HasPrefix(p.answers.Text(), "error:") {
				p.t.Error(p.answers.Text())
			}
		}
		require.NoError(p.t, p.command.Wait())
	}
}
