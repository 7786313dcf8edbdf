package sqlitebackend

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/internal/benchtest"
	"github.com/leasekit/leasekit/lease"
)

// BenchmarkAgainstPrepared measures one goroutine's acquire+release beside the lock
// of openBaseline with prepared statements on a connection of its own: the least
// that a lock with a token and a history costs. The pairs alternate, so that both
// meet the same machine; x-prepared is the ratio of the medians.
//
//	go test -run '^$' -bench AgainstPrepared -benchtime 5000x ./sqlitebackend
func BenchmarkAgainstPrepared(b *testing.B) {
	for _, synchronous := range []Synchronous{Full, Normal} {
		b.Run("synchronous="+synchronous.String(), func(b *testing.B) {
			const path = "src/pkg/file.go"
			dir := b.TempDir()
			ours := openForBench(b, filepath.Join(dir, "leases.db"), synchronous)
			theirs := prepareBaseline(b, openBaseline(b, filepath.Join(dir, "baseline.db"), synchronous))
			var mine, base []float64
			timed := func(pair func(path string) error) float64 {
				start := time.Now()
				require.NoError(b, pair(path))
				return float64(time.Since(start).Microseconds())
			}
			for range b.N {
				base = append(base, timed(theirs.pair))
				mine = append(mine, timed(func(path string) error {
					l, err := ours.TryAcquire(b.Context(), lease.Request{Holder: path, Claims: lease.Paths(path), TTL: time.Minute})
					if err != nil {
						return err
					}
					return ours.Release(b.Context(), l.Ref())
				}))
			}
			b.ReportMetric(benchtest.Median(mine), "p50-us")
			b.ReportMetric(benchtest.Median(mine)/benchtest.Median(base), "x-prepared")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// prepared is the baseline with prepared statements.
type prepared struct {
	begin, commit, held, token, grant, event, release *sql.Stmt
}

func prepareBaseline(b *testing.B, l *baseline) *prepared {
	conn, err := l.db.DB.Conn(b.Context())
	require.NoError(b, err)
	statement := func(text string) *sql.Stmt {
		s, err := conn.PrepareContext(context.Background(), text)
		require.NoError(b, err)
		return s
	}
	p := &prepared{
		begin: statement(`BEGIN IMMEDIATE`), commit: statement(`COMMIT`),
		held:    statement(`SELECT EXISTS (SELECT 1 FROM locks WHERE path = ? AND status = 'active' AND +expires_at > ?)`),
		token:   statement(`UPDATE tokens SET token = token + 1 RETURNING token`),
		grant:   statement(`INSERT INTO locks (id, path, holder, token, status, expires_at) VALUES (?, ?, ?, ?, 'active', ?)`),
		event:   statement(`INSERT INTO events (lock_id, kind, at) VALUES (?, ?, ?)`),
		release: statement(`UPDATE locks SET status = 'released' WHERE id = ? AND status = 'active' AND token = ?`),
	}
	b.Cleanup(func() { require.NoError(b, conn.Close()) })
	return p
}

// pair takes no context: with one that can end, the driver starts a goroutine for
// each statement.
func (p *prepared) pair(path string) error {
	now, id := time.Now().UnixMilli(), string(lease.NewID())
	var held bool
	var token int64
	var err error
	exec := func(s *sql.Stmt, args ...any) {
		if err == nil {
			_, err = s.Exec(args...)
		}
	}
	exec(p.begin)
	if err == nil {
		err = p.held.QueryRow(path, now).Scan(&held)
	}
	if err == nil {
		err = p.token.QueryRow().Scan(&token)
	}
	exec(p.grant, id, path, path, token, now+60_000)
	exec(p.event, id, "granted", now)
	exec(p.commit)
	exec(p.begin)
	exec(p.release, id, token)
	exec(p.event, id, "released", now)
	exec(p.commit)
	return err
}
