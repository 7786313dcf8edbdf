package cli_test

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/leasekit/leasekit/lease"
)

// terminal is a pseudo-terminal.
type terminal struct {
	*tree
	master, slave *os.File
	lines         *bufio.Reader
}

func newTerminal(t *tree) *terminal {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	require.NoError(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = master.Close(), slave.Close() })
	return &terminal{tree: t, master: master, slave: slave, lines: bufio.NewReader(master)}
}

// start starts leasekit as the leader of the terminal's session.
func (t *terminal) start(args ...string) *process {
	p := &process{Cmd: t.command(args...), tree: t.tree}
	p.Stdin, p.Stdout, p.Stderr = t.slave, t.slave, t.slave
	p.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(t, p.Start())
	t.Cleanup(func() { _ = p.Process.Kill() })
	return p
}

func (t *terminal) write(keys string) {
	_, err := t.master.WriteString(keys)
	require.NoError(t, err)
}

// expect reads until a line contains the text.
func (t *terminal) expect(text string) {
	t.Helper()
	timer := time.AfterFunc(patience, func() { _ = t.slave.Close() })
	defer timer.Stop()
	for {
		line, err := t.lines.ReadString('\n')
		require.NoError(t, err, "while waiting for %q", text)
		if strings.Contains(line, text) {
			return
		}
	}
}

func TestCommandHasTheTerminal(t *testing.T) {
	tty := newTerminal(newTree(t))
	p := tty.start("run", "a", "--", "sh", "-c", "echo ready; read line; echo got $line; exit 3")
	tty.expect("ready")
	tty.write("hello\n")
	tty.expect("got hello")
	require.Equal(t, 3, p.end())
}

func TestCtrlCIsTheCommands(t *testing.T) {
	tty := newTerminal(newTree(t))
	p := tty.start("run", "a", "--", "sh", "-c", "trap 'echo got INT; exit 4' INT; echo ready; while :; do sleep 0.02; done")
	tty.expect("ready")
	tty.write("\x03")
	tty.expect("got INT")
	require.Equal(t, 4, p.end())
	require.Empty(t, tty.ok("ls", "-o", "name"))
}

func TestCtrlZStopsBothAndGoesOn(t *testing.T) {
	tty := newTerminal(newTree(t))
	p := tty.start("run", "--ttl", "10m", "a", "--", "sh", "-c", "echo ready; read line; echo got $line")
	tty.expect("ready")
	tty.write("\x1a")
	var status syscall.WaitStatus
	_, err := syscall.Wait4(p.Process.Pid, &status, syscall.WUNTRACED, nil)
	require.NoError(t, err)
	require.True(t, status.Stopped(), "%v", status)
	require.NoError(t, p.Process.Signal(syscall.SIGCONT))
	tty.write("again\n")
	tty.expect("got again")
	require.Zero(t, p.end())
}

func TestWaitShowsItsProgress(t *testing.T) {
	tr := newTree(t)
	first := tr.holder("--holder", "first", "a")
	tty := newTerminal(tr)
	p := tty.start("run", "a", "--", "echo", "mine now")
	m := tr.manager()
	tr.event(m, lease.KindQueued)
	tty.expect("waits for a: a is held by first")
	first.stop()
	tty.expect("mine now")
	require.Zero(t, p.end())
}

func TestStopSignalStopsBothWithoutATerminal(t *testing.T) {
	tr := newTree(t)
	c := tr.command("run", "--ttl", "10m", "a", "--", "sh", "-c", "echo ready; read line; echo got $line")
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	input, err := c.StdinPipe()
	require.NoError(t, err)
	output, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	t.Cleanup(func() { _ = c.Process.Kill() })
	p := &process{Cmd: c, tree: tr, out: bufio.NewReader(output), input: input}
	require.Equal(t, "ready", p.line())
	require.NoError(t, c.Process.Signal(syscall.SIGTSTP))
	var status syscall.WaitStatus
	_, err = syscall.Wait4(c.Process.Pid, &status, syscall.WUNTRACED, nil)
	require.NoError(t, err)
	require.True(t, status.Stopped(), "%v", status)
	require.NoError(t, c.Process.Signal(syscall.SIGCONT))
	_, err = input.Write([]byte("again\n"))
	require.NoError(t, err)
	require.Equal(t, "got again", p.line())
	require.Zero(t, p.end())
}
