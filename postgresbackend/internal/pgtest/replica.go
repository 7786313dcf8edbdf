//go:build unix

package pgtest

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/leasekit/leasekit/internal/childproc"
)

// Replica starts a replica of the server: it serves reads, and follows by
// streaming.
func (s *Server) Replica(tb testing.TB) *Server {
	tb.Helper()
	r := &Server{tb: tb, config: s.config}
	tb.Cleanup(r.close)
	if err := r.copy(s); err != nil {
		tb.Fatalf("pgtest: replica: %v", err)
	}
	return r
}

func (s *Server) copy(from *Server) error {
	if err := s.makeDir(); err != nil {
		return err
	}
	source := []string{"-h", "127.0.0.1", "-p", strconv.Itoa(from.port), "-U", "postgres"}
	if err := s.run("pg_basebackup", append(source, "-D", s.data(), "-R", "-c", "fast", "--no-sync")...); err != nil {
		return err
	}
	return s.startAnywhere()
}

// Promote makes a replica a server of its own.
func (s *Server) Promote() { s.Exec(`SELECT pg_promote()`) }

// Copy ends the server, copies its data directory, and starts it again. It
// returns where the copy is.
func (s *Server) Copy() (copied string) {
	s.tb.Helper()
	s.Crash()
	copied = filepath.Join(s.dir, "copy")
	if err := s.run("cp", "-a", s.data(), copied); err != nil {
		s.tb.Fatalf("pgtest: copy: %v", err)
	}
	s.Restart()
	return copied
}

// Replace puts a copy in the place of the data directory of a server that has
// ended.
func (s *Server) Replace(copied string) {
	s.tb.Helper()
	err := os.RemoveAll(s.data())
	if err == nil {
		err = os.Rename(copied, s.data())
	}
	if err != nil {
		s.tb.Fatalf("pgtest: replace: %v", err)
	}
}

// makeDir makes the server's directory.
//
// It is not the test's own temporary directory: the path of a socket is short, and
// another user is to reach it.
func (s *Server) makeDir() error {
	dir, err := os.MkdirTemp("", "pgtest")
	if err != nil {
		return err
	}
	s.dir = dir
	as, err := account()
	if err != nil || as == nil {
		return err
	}
	return os.Chown(dir, int(as.Uid), int(as.Gid))
}

// startAnywhere starts the server on a free port.
func (s *Server) startAnywhere() error {
	var err error
	for range startAttempts {
		if s.port, err = childproc.FreePort(); err != nil {
			return err
		}
		if err = s.start(); err == nil {
			return nil
		}
	}
	return err
}
