//go:build linux

package pgtest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/leasekit/leasekit/internal/childproc"
)

// StartSmall starts a server whose data is on a file system of its own, of so many
// megabytes; about 60 are in use then. It needs the rights to mount one, as root
// has them, also in a container that was started with CAP_SYS_ADMIN.
func StartSmall(tb testing.TB, megabytes int) *Server {
	tb.Helper()
	s := &Server{tb: tb, config: []string{"fsync=on", "max_wal_size=8MB", "min_wal_size=2MB"}}
	tb.Cleanup(s.close)
	err := s.makeDir()
	if err == nil {
		err = s.mount(megabytes)
	}
	if err == nil {
		err = s.create("--wal-segsize=1")
	}
	if err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	return s
}

func (s *Server) mount(megabytes int) error {
	options := fmt.Sprintf("size=%dm,mode=0777", megabytes)
	if err := syscall.Mount("tmpfs", s.dir, "tmpfs", 0, options); err != nil {
		return fmt.Errorf("mount a small file system: %w (run the test as root, in a container with --cap-add SYS_ADMIN)", err)
	}
	s.tb.Cleanup(func() {
		s.close()
		_ = syscall.Unmount(s.dir, 0)
		_ = os.Remove(s.dir)
	})
	return nil
}

// Fill leaves no room on the file system of the server. free gives it back.
func (s *Server) Fill() (free func()) {
	s.tb.Helper()
	name := filepath.Join(s.dir, "ballast")
	err := fill(name)
	if !errors.Is(err, syscall.ENOSPC) {
		s.tb.Fatalf("pgtest: fill: %v", err)
	}
	return func() { _ = os.Remove(name) }
}

func fill(name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	block := make([]byte, 4096)
	for {
		if _, err := f.Write(block); err != nil {
			return err
		}
	}
}

// Recover returns when the server serves again, and restarts it if it has ended.
func (s *Server) Recover() {
	s.tb.Helper()
	err := childproc.Poll(startTimeout, func() error {
		if s.process.Ended() {
			return s.start()
		}
		return s.answers()
	})
	if err != nil {
		s.tb.Fatalf("pgtest: recover: %v", err)
	}
}
