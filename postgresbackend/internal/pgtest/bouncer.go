//go:build unix

package pgtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leasekit/leasekit/internal/childproc"
)

// Bouncer starts a PgBouncer before the server, in transaction mode, and returns
// its URL.
func (s *Server) Bouncer(tb testing.TB) string {
	tb.Helper()
	url, err := s.bouncer(tb)
	if err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	return url
}

func (s *Server) bouncer(tb testing.TB) (string, error) {
	port, err := childproc.FreePort()
	if err != nil {
		return "", err
	}
	text := fmt.Sprintf(`[databases]
postgres = host=127.0.0.1 port=%d dbname=postgres user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = any
pool_mode = transaction
max_client_conn = 300
default_pool_size = 10
logfile = %s
`, s.port, port, filepath.Join(s.dir, "bouncer.log"))
	name := filepath.Join(s.dir, fmt.Sprintf("bouncer-%d.ini", port))
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		return "", err
	}
	command, err := s.command("pgbouncer", "-q", name)
	if err != nil {
		return "", err
	}
	running, err := childproc.Start(command)
	if err != nil {
		return "", err
	}
	tb.Cleanup(running.Kill)
	url := fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable&default_query_exec_mode=exec", port)
	return url, childproc.Poll(startTimeout, func() error {
		if running.Ended() {
			return childproc.Fatal(fmt.Errorf("pgbouncer on port %d ended", port))
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close(ctx) }()
		return conn.Ping(ctx)
	})
}
