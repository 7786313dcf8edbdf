// Package redistest starts real Redis servers for tests: a single server, a Cluster, a set with Sentinel, a
// TCP proxy that misbehaves on demand, and an in-memory miniredis for testing/synctest bubbles. Everything
// started is stopped in the test's Cleanup, and by the kernel (on Linux) should the test process die first.
//
// Only _test.go files import it.
package redistest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"github.com/leasekit/leasekit/internal/childproc"
)

const (
	startAttempts = 5 // another process may take the free port between our look and the server's bind
	startTimeout  = 15 * time.Second
)

// go-redis prints a line for each dial that fails, and tests of this package's kind make them fail on purpose.
func init() { redis.SetLogger(&logging.VoidLogger{}) }

// Data says what a restarted server finds in its directory.
type Data uint8

const (
	KeepData Data = iota // what was saved: everything after an orderly stop, what the AOF has after a Kill
	DropData             // nothing, as after the loss of a disk
)

// Server is one redis-server process. Its methods may be called from any goroutine, but not two of Kill, Stop
// and Restart at once; those that cannot do their work fail the test, so call them from the test's goroutine.
type Server struct {
	tb     testing.TB
	dir    string
	addr   string
	port   int
	bus    int // the port of the cluster bus, 0 if it is no cluster node
	config []string
	mode   []string // extra arguments of the command line, such as --sentinel

	mu      sync.Mutex
	process *childproc.Process
	admin   *redis.Client
}

// Single starts a server without persistence, on a free port of the loopback interface. Each extraConfig is a
// line of redis.conf ("appendonly yes") and overrides the line of the same name that this package would write.
func Single(tb testing.TB, extraConfig ...string) *Server {
	tb.Helper()
	requireBinary(tb)
	server, err := launch(tb, tb.TempDir(), extraConfig, nil)
	if err != nil {
		tb.Fatalf("redistest: %v", err)
	}
	return server
}

// requireBinary skips the test when there is no redis-server, unless this is CI, which promises to have one.
func requireBinary(tb testing.TB) {
	tb.Helper()
	if _, err := exec.LookPath("redis-server"); err == nil {
		return
	}
	const message = "redistest: redis-server is not on PATH; install it to run this test " +
		"(Debian, Ubuntu: apt-get install redis-server; macOS: brew install redis)"
	if os.Getenv("CI") == "true" {
		tb.Fatal(message)
	}
	tb.Skip(message)
}

// launch starts a server and waits until it answers. It may be called from any goroutine.
func launch(tb testing.TB, dir string, config, mode []string) (*Server, error) {
	server := &Server{tb: tb, dir: dir, config: config, mode: mode}
	tb.Cleanup(server.close)
	var err error
	for range startAttempts {
		if err = server.choosePorts(); err != nil {
			return nil, err
		}
		if err = server.start(); err == nil {
			return server, nil
		}
	}
	return nil, err
}

func (s *Server) choosePorts() (err error) {
	if s.port, err = childproc.FreePort(); err != nil {
		return err
	}
	s.addr = fmt.Sprintf("127.0.0.1:%d", s.port)
	s.bus = 0
	for _, line := range s.config {
		if strings.HasPrefix(line, "cluster-enabled yes") {
			s.bus, err = childproc.FreePort()
		}
	}
	return err
}

// start runs the process and waits until it, and not some other server, answers on the port.
func (s *Server) start() error {
	if err := s.writeConfig(); err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(s.dir, "redis.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	command := exec.Command("redis-server", append([]string{"redis.conf"}, s.mode...)...)
	command.Dir, command.Stdout, command.Stderr = s.dir, log, log
	running, err := childproc.Start(command)
	if err != nil {
		return err
	}
	admin := redis.NewClient(s.adminOptions())
	err = childproc.Poll(startTimeout, func() error {
		select {
		case <-running.Gone:
			return childproc.Fatal(fmt.Errorf("redis-server on %s ended: %s", s.addr, s.logTail()))
		default:
		}
		if err := listening(s.addr); err != nil {
			return err
		}
		info, err := admin.Info(context.Background(), "server").Result()
		if err != nil {
			return err
		}
		if want := fmt.Sprintf("process_id:%d\r\n", running.Pid()); !strings.Contains(info, want) {
			return childproc.Fatal(fmt.Errorf("another server answers on %s", s.addr))
		}
		return admin.Ping(context.Background()).Err() // refused while a data set is being loaded
	})
	if err != nil {
		_ = admin.Close()
		running.Kill()
		return err
	}
	s.mu.Lock()
	s.process, s.admin = running, admin
	s.mu.Unlock()
	return nil
}

func (s *Server) writeConfig() error {
	lines := []string{
		"bind 127.0.0.1",
		fmt.Sprintf("port %d", s.port),
		"save \"\"",
		"appendonly no",
		"enable-debug-command local",
	}
	if s.bus != 0 {
		lines = append(lines, fmt.Sprintf("cluster-port %d", s.bus))
	}
	if len(s.mode) > 0 { // a Sentinel knows few settings and rewrites its file, which a restart must not undo
		lines = lines[:2]
		if s.current() != nil {
			return nil
		}
	}
	lines = append(lines, s.config...)
	return os.WriteFile(filepath.Join(s.dir, "redis.conf"), []byte(strings.Join(lines, "\n")+"\n"), 0o600)
}

// current is the last process that came up, nil before the first.
func (s *Server) current() *childproc.Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process
}

// Running says whether the process is there.
func (s *Server) Running() bool {
	running := s.current()
	return running != nil && !running.Ended()
}

func (s *Server) logTail() string {
	content, err := os.ReadFile(filepath.Join(s.dir, "redis.log"))
	if err != nil {
		return err.Error()
	}
	const most = 2000
	return string(bytes.TrimSpace(content[max(0, len(content)-most):]))
}

// Addr is the server's "127.0.0.1:port"; it stays the same over restarts.
func (s *Server) Addr() string { return s.addr }

// Options returns go-redis options for the server, otherwise go-redis' defaults; the caller may change them.
func (s *Server) Options() *redis.Options { return &redis.Options{Addr: s.addr} }

// Client returns a new client with go-redis' default options, closed in the test's Cleanup.
func (s *Server) Client() *redis.Client {
	client := redis.NewClient(s.Options())
	s.tb.Cleanup(func() { _ = client.Close() })
	return client
}

func (s *Server) adminOptions() *redis.Options {
	options := s.Options()
	options.MaxRetries = -1
	options.PoolSize = 2
	options.DialerRetries = 1
	options.DialTimeout = time.Second
	return options
}

// Do runs one command on a connection of the test's own, past any proxy, and fails the test if it fails.
func (s *Server) Do(args ...any) any {
	s.tb.Helper()
	reply, err := s.do(args...)
	if err != nil {
		s.tb.Fatalf("redistest: %v on %s: %v", args, s.addr, err)
	}
	return reply
}

func (s *Server) do(args ...any) (any, error) {
	s.mu.Lock()
	admin := s.admin
	s.mu.Unlock()
	reply, err := admin.Do(context.Background(), args...).Result()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	return reply, err
}

// SetConfig changes one setting of the running server, until its next restart.
func (s *Server) SetConfig(name, value string) {
	s.tb.Helper()
	s.Do("CONFIG", "SET", name, value)
}

// Kill ends the process with SIGKILL, as a crash would, and waits until it is gone.
func (s *Server) Kill() {
	s.mu.Lock()
	running, admin := s.process, s.admin
	s.mu.Unlock()
	running.Kill()
	_ = admin.Close()
}

// Stop saves the data set and ends the process in an orderly way.
func (s *Server) Stop() {
	s.tb.Helper()
	s.mu.Lock()
	running, admin := s.process, s.admin
	s.mu.Unlock()
	_ = admin.ShutdownSave(context.Background()).Err() // the reply to success is a closed connection
	select {
	case <-running.Gone:
	case <-time.After(startTimeout):
		running.Kill()
		s.tb.Fatalf("redistest: redis-server on %s did not stop: %s", s.addr, s.logTail())
	}
	_ = admin.Close()
}

// Restart starts the server again on the same address; one that still runs is stopped first, in an orderly way
// to keep its data, or with SIGKILL to drop it.
func (s *Server) Restart(data Data) {
	s.tb.Helper()
	switch {
	case !s.Running():
	case data == KeepData:
		s.Stop()
	default:
		s.Kill()
	}
	if data == DropData {
		if err := s.removeData(); err != nil {
			s.tb.Fatalf("redistest: %v", err)
		}
	}
	if err := s.start(); err != nil {
		s.tb.Fatalf("redistest: restart: %v", err)
	}
}

// removeData leaves what makes a node the same node: its configuration and its place in the cluster.
func (s *Server) removeData() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		switch entry.Name() {
		case "redis.conf", "redis.log", "nodes.conf":
			continue
		}
		if err := os.RemoveAll(filepath.Join(s.dir, entry.Name())); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) close() {
	if s.current() != nil {
		s.Kill()
	}
}
