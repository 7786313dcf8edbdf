//go:build unix

// Package pgtest starts PostgreSQL servers for tests: Debian's programs, each
// server with a data directory and a free port of its own. Whatever was started
// ends with the test, and with the test process should that die first.
//
// Only _test.go files import it.
package pgtest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leasekit/leasekit/internal/childproc"
)

const (
	startAttempts = 5 // another process may take the free port between our look and the server's bind
	startTimeout  = 30 * time.Second
)

// Server is one PostgreSQL server. Its methods fail the test if they cannot do
// their work; call them from the test's goroutine.
type Server struct {
	tb      testing.TB
	dir     string // of the data, of the socket and of the log
	port    int
	config  []string
	process *childproc.Process
}

// Start starts a server that writes to the disk what it commits (fsync=on), or
// not. Each setting is one of postgresql.conf: "max_connections=20".
func Start(tb testing.TB, fsync bool, settings ...string) *Server {
	tb.Helper()
	s := &Server{tb: tb, config: append([]string{"fsync=" + map[bool]string{true: "on", false: "off"}[fsync]}, settings...)}
	tb.Cleanup(s.close)
	err := s.makeDir()
	if err == nil {
		err = s.create()
	}
	if err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	return s
}

// program returns the path of one of PostgreSQL's programs, of the newest version
// that Debian has installed.
func program(name string) (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if err == nil && len(found) > 0 {
		slices.Sort(found)
		return found[len(found)-1], nil
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%s is not installed; Debian, Ubuntu: apt-get install postgresql pgbouncer", name)
	}
	return path, nil
}

// account returns whom PostgreSQL is to run as: it refuses to run as root.
func account() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		found, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(found.Uid, 10, 32)
		if err != nil {
			return nil, err
		}
		gid, err := strconv.ParseUint(found.Gid, 10, 32)
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, err
	}
	return nil, fmt.Errorf("no user postgres or nobody to run PostgreSQL as")
}

// command returns a command that runs one of PostgreSQL's programs.
func (s *Server) command(name string, args ...string) (*exec.Cmd, error) {
	path, err := program(name)
	if err != nil {
		return nil, err
	}
	as, err := account()
	if err != nil {
		return nil, err
	}
	command := exec.Command(path, args...)
	command.Dir = s.dir
	command.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	return command, nil
}

// create makes a new cluster of databases, with more arguments of initdb, and
// starts the server.
func (s *Server) create(more ...string) error {
	args := []string{"-D", s.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"}
	if err := s.run("initdb", append(args, more...)...); err != nil {
		return err
	}
	return s.startAnywhere()
}

func (s *Server) run(name string, args ...string) error {
	command, err := s.command(name, args...)
	if err != nil {
		return err
	}
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return nil
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// start runs the server's process and waits until it answers.
func (s *Server) start() error {
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	args := []string{"-D", s.data(), "-p", strconv.Itoa(s.port), "-k", s.dir, "-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200"}
	for _, setting := range s.config {
		args = append(args, "-c", setting)
	}
	command, err := s.command("postgres", args...)
	if err != nil {
		return err
	}
	command.Stdout, command.Stderr = log, log
	running, err := childproc.Start(command)
	if err != nil {
		return err
	}
	err = childproc.Poll(startTimeout, func() error {
		if running.Ended() {
			return childproc.Fatal(fmt.Errorf("postgres on port %d ended: %s", s.port, s.logTail()))
		}
		return s.answers()
	})
	if err != nil {
		running.Kill()
		return err
	}
	s.process = running
	return nil
}

func (s *Server) answers() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.URL())
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

func (s *Server) logTail() string {
	content, err := os.ReadFile(filepath.Join(s.dir, "log"))
	if err != nil {
		return err.Error()
	}
	const most = 2000
	return string(bytes.TrimSpace(content[max(0, len(content)-most):]))
}

// Dir is where the server keeps its data, its socket and its log.
func (s *Server) Dir() string { return s.dir }

// URL is the server's, as its superuser; it stays the same over restarts.
func (s *Server) URL() string { return s.URLAs("postgres") }

// URLAs is the server's URL for a role.
func (s *Server) URLAs(role string) string {
	return fmt.Sprintf("postgres://%s@127.0.0.1:%d/postgres?sslmode=disable", role, s.port)
}

// Exec executes SQL as the superuser.
func (s *Server) Exec(sql string) {
	s.tb.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, s.URL())
	if err == nil {
		_, err = conn.Exec(ctx, sql)
		_ = conn.Close(ctx)
	}
	if err != nil {
		s.tb.Fatalf("pgtest: %s: %v", sql, err)
	}
}

// Stop ends the server as pg_ctl stop does: all is saved.
func (s *Server) Stop() { s.end(syscall.SIGINT) }

// Crash ends the server as pg_ctl stop -m immediate does: nothing is saved, what
// is in the log of the database is found again.
func (s *Server) Crash() { s.end(syscall.SIGQUIT) }

// Kill ends the server with SIGKILL.
func (s *Server) Kill() { s.end(syscall.SIGKILL) }

func (s *Server) end(signal syscall.Signal) {
	_ = syscall.Kill(s.process.Pid(), signal)
	<-s.process.Gone
}

// Restart starts a server that has ended again, on the same port.
func (s *Server) Restart() {
	s.tb.Helper()
	// After SIGKILL the last of its processes may still be about to notice.
	err := childproc.Poll(startTimeout, s.start)
	if err != nil {
		s.tb.Fatalf("pgtest: restart: %v", err)
	}
}

func (s *Server) close() {
	if s.process != nil && !s.process.Ended() {
		s.end(syscall.SIGQUIT)
	}
	if s.dir != "" {
		_ = os.RemoveAll(s.dir)
	}
}
