//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package fencefile_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/lease/fencefile"
)

// The test binary is also the other process: childEnv says what it does.
const childEnv = "FENCEFILE_TEST_CHILD"

func TestMain(m *testing.M) {
	roles := map[string]func(d *fencefile.Dir, token lease.Token){
		"worker":  childWorker,
		"writer":  childWriter,
		"stopped": childStopped,
	}
	role, ok := roles[os.Getenv(childEnv)]
	if !ok {
		os.Exit(m.Run())
	}
	d, err := fencefile.Open(os.Args[1])
	if err != nil {
		panic(err)
	}
	token, err := strconv.ParseUint(os.Args[2], 10, 64)
	if err != nil {
		panic(err)
	}
	role(d, lease.Token(token))
}

// childWorker writes whenever it is given a line, and says how it went.
func childWorker(d *fencefile.Dir, token lease.Token) {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		err := d.WriteFile(context.Background(), ref(token), "f", lines.Bytes(), 0o644)
		fmt.Println(errors.Is(err, fencefile.ErrStale), err)
	}
}

// childWriter writes without end, each time with the next token.
func childWriter(d *fencefile.Dir, token lease.Token) {
	fmt.Println("ready")
	for ; ; token++ {
		if err := d.WriteFile(context.Background(), ref(token), "f", stamped(token), 0o644); err != nil {
			panic(err)
		}
	}
}

// childStopped is in the middle of its turn for ever.
func childStopped(d *fencefile.Dir, _ lease.Token) {
	if _, err := fencefile.TakeTurn(d, "f"); err != nil {
		panic(err)
	}
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
}

type child struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func start(t *testing.T, role, root string, token lease.Token) *child {
	t.Helper()
	cmd := exec.Command(os.Args[0], root, strconv.FormatUint(uint64(token), 10))
	cmd.Env = append(os.Environ(), childEnv+"="+role)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	c := &child{cmd: cmd, in: in, out: bufio.NewReader(out)}
	t.Cleanup(c.kill)
	return c
}

func (c *child) kill() {
	_ = c.cmd.Process.Kill() // it may be dead already
	_ = c.cmd.Wait()         // killed, as asked for
}

func (c *child) say(t *testing.T, line string) {
	t.Helper()
	_, err := io.WriteString(c.in, line+"\n")
	require.NoError(t, err)
}

func (c *child) hear(t *testing.T) string {
	t.Helper()
	line, err := c.out.ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSpace(line)
}

// stop stops the process, and returns when it has stopped.
func (c *child) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, c.cmd.Process.Signal(syscall.SIGSTOP))
	var status syscall.WaitStatus
	_, err := syscall.Wait4(c.cmd.Process.Pid, &status, syscall.WUNTRACED, nil)
	require.NoError(t, err)
	require.True(t, status.Stopped())
}

// What the token is for: a holder that was stopped past its lease's end wakes
// up, believes that it still holds the file, and cannot write it.
func TestStoppedHolderCannotWrite(t *testing.T) {
	root := t.TempDir()
	m := memory.New(nil)
	defer func() { require.NoError(t, m.Close()) }()
	request := func(holder string) lease.Request {
		return lease.Request{Holder: holder, Claims: lease.Paths("f"), TTL: 300 * time.Millisecond}
	}
	first, err := m.Acquire(t.Context(), request("first"))
	require.NoError(t, err)
	worker := start(t, "worker", root, first.Token)
	worker.say(t, "from the first")
	require.Equal(t, "false <nil>", worker.hear(t))

	worker.stop(t)
	worker.say(t, "late, from the first")
	second, err := m.Acquire(t.Context(), request("second")) // once the first's lease has expired
	require.NoError(t, err)
	require.Greater(t, second.Token, first.Token)
	d := open(t, root)
	require.NoError(t, d.WriteFile(t.Context(), second.Ref(), "f", []byte("from the second"), 0o644))

	require.NoError(t, worker.cmd.Process.Signal(syscall.SIGCONT))
	require.True(t, strings.HasPrefix(worker.hear(t), "true "), "ErrStale")
	require.Equal(t, "from the second", content(t, root, "f"))
}

// A process that is stopped in the middle of its turn keeps others waiting,
// as long as they want to; its death lets them go on.
func TestStoppedInItsTurn(t *testing.T) {
	root := t.TempDir()
	d := open(t, root)
	c := start(t, "stopped", root, 1)
	require.Equal(t, "ready", c.hear(t))
	c.stop(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, d.WriteFile(ctx, ref(2), "f", nil, 0o644), context.DeadlineExceeded)
	c.kill()
	require.NoError(t, d.WriteFile(t.Context(), ref(2), "f", nil, 0o644))
}

// A process that is killed at any moment leaves the old content or the new one,
// whole, and a fence that is not behind the file.
func TestKilledWriter(t *testing.T) {
	rounds := 40
	if testing.Short() {
		rounds = 8
	}
	root := t.TempDir()
	d := open(t, root)
	token := lease.Token(1)
	for range rounds {
		c := start(t, "writer", root, token)
		require.Equal(t, "ready", c.hear(t))
		<-time.After(rand.N(15 * time.Millisecond)) // the moment is what is drawn
		c.kill()

		newest, err := d.Newest(t.Context(), "f")
		require.NoError(t, err)
		written := lease.Token(0)
		if b, err := os.ReadFile(root + "/f"); err == nil {
			written = stampOf(t, b)
		}
		require.LessOrEqual(t, written, newest)
		if newest > token { // its first write was not cut short
			require.GreaterOrEqual(t, written+1, newest, "one write was under way at most")
		}
		if newest > 1 {
			require.ErrorIs(t, d.WriteFile(t.Context(), ref(newest-1), "f", nil, 0o644), fencefile.ErrStale)
		}
		token = newest + 1
	}
	require.NoError(t, d.WriteFile(t.Context(), ref(token), "f", stamped(token), 0o644))
	entries, err := os.ReadDir(root)
	require.NoError(t, err)
	require.Len(t, entries, 2, "the file and the fence; what the dead left is gone")
	t.Logf("%d tokens in %d rounds", token, rounds)
}

// stamped returns content that tells its token and whether it is whole.
func stamped(token lease.Token) []byte {
	body := bytes.Repeat([]byte{byte(token)}, int(token*7919%(64<<10)))
	return fmt.Appendf(nil, "%d %d\n%s", token, crc32.ChecksumIEEE(body), body)
}

func stampOf(t *testing.T, b []byte) lease.Token {
	t.Helper()
	head, _, ok := bytes.Cut(b, []byte("\n"))
	require.True(t, ok)
	token, err := strconv.ParseUint(string(bytes.Fields(head)[0]), 10, 64)
	require.NoError(t, err)
	require.Equal(t, stamped(lease.Token(token)), b)
	return lease.Token(token)
}
