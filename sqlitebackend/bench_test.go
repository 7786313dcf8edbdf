package sqlitebackend

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"

	"github.com/leasekit/leasekit/internal/benchtest"
	"github.com/leasekit/leasekit/lease"
)

// BenchmarkAgainstBaseline measures acquire+release of distinct paths beside a
// baseline that does less: one transaction for each operation, written with
// Bun's query builder, with exact exclusive locks on a single path, a token and
// a history row, and no queue. Each iteration is a round of both, one after the
// other; the ratio is the median of the rounds. Run it with
//
//	go test -run '^$' -bench AgainstBaseline -benchtime 5x ./sqlitebackend
func BenchmarkAgainstBaseline(b *testing.B) {
	for _, synchronous := range []Synchronous{Full, Normal} {
		for _, goroutines := range []int{1, 8, 64} {
			b.Run(fmt.Sprintf("synchronous=%s/goroutines=%d", synchronous, goroutines), func(b *testing.B) {
				dir := b.TempDir()
				ours := openForBench(b, filepath.Join(dir, "leases.db"), synchronous)
				theirs := openBaseline(b, filepath.Join(dir, "baseline.db"), synchronous)
				var ratios, pairs []float64
				for range b.N {
					base := benchtest.Throughput(b, goroutines, theirs.pair)
					mine := benchtest.Throughput(b, goroutines, func(ctx context.Context, path string) error {
						l, err := ours.TryAcquire(ctx, lease.Request{Holder: path, Claims: lease.Paths(path), TTL: time.Minute})
						if err != nil {
							return err
						}
						return ours.Release(ctx, l.Ref())
					})
					ratios, pairs = append(ratios, mine/base), append(pairs, mine)
				}
				b.ReportMetric(benchtest.Median(ratios), "x-baseline")
				b.ReportMetric(benchtest.Median(pairs), "pairs/s")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

func openForBench(b *testing.B, path string, s Synchronous) lease.Manager {
	m, err := Open(b.Context(), path, &Options{Synchronous: s})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, m.Close()) })
	return m
}

// baseline is a lock table as one would write it in an afternoon.
type baseline struct{ db *bun.DB }

type baselineLock struct {
	bun.BaseModel `bun:"table:locks"`

	ID        string `bun:"id,pk"`
	Path      string `bun:"path"`
	Holder    string `bun:"holder"`
	Token     int64  `bun:"token"`
	Status    string `bun:"status"`
	ExpiresAt int64  `bun:"expires_at"`
}

type baselineEvent struct {
	bun.BaseModel `bun:"table:events"`

	Seq    int64  `bun:"seq,pk,autoincrement"`
	LockID string `bun:"lock_id"`
	Kind   string `bun:"kind"`
	At     int64  `bun:"at"`
}

func openBaseline(b *testing.B, path string, s Synchronous) *baseline {
	uri := "file:" + path + "?_txlock=immediate&_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(" + s.String() + ")"
	pool, err := sql.Open("sqlite", uri)
	require.NoError(b, err)
	pool.SetMaxOpenConns(1)
	b.Cleanup(func() { require.NoError(b, pool.Close()) })
	for _, statement := range []string{
		`CREATE TABLE locks (id TEXT PRIMARY KEY, path TEXT, holder TEXT, token INTEGER, status TEXT, expires_at INTEGER)`,
		`CREATE INDEX locks_path ON locks (path) WHERE status = 'active'`,
		`CREATE INDEX locks_expiry ON locks (expires_at) WHERE status = 'active'`,
		`CREATE TABLE tokens (token INTEGER)`, `INSERT INTO tokens VALUES (0)`,
		`CREATE TABLE events (seq INTEGER PRIMARY KEY, lock_id TEXT, kind TEXT, at INTEGER)`,
		`CREATE INDEX events_lock ON events (lock_id)`,
	} {
		_, err := pool.Exec(statement)
		require.NoError(b, err)
	}
	return &baseline{bun.NewDB(pool, sqlitedialect.New())}
}

func (l *baseline) pair(ctx context.Context, path string) error {
	now := time.Now().UnixMilli()
	lock := baselineLock{ID: string(lease.NewID()), Path: path, Holder: path, Status: "active", ExpiresAt: now + 60_000}
	err := l.db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		held, err := tx.NewSelect().Model((*baselineLock)(nil)).
			Where("path = ?", path).Where("status = 'active'").Where("+expires_at > ?", now).Exists(ctx)
		if err != nil || held {
			return fmt.Errorf("held: %w", err)
		}
		if err := tx.NewUpdate().Table("tokens").Set("token = token + 1").Where("1 = 1").Returning("token").Scan(ctx, &lock.Token); err != nil {
			return err
		}
		if _, err := tx.NewInsert().Model(&lock).Exec(ctx); err != nil {
			return err
		}
		_, err = tx.NewInsert().Model(&baselineEvent{LockID: lock.ID, Kind: "granted", At: now}).Returning("NULL").Exec(ctx)
		return err
	})
	if err != nil {
		return err
	}
	return l.db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.NewUpdate().Model((*baselineLock)(nil)).Set("status = 'released'").
			Where("id = ?", lock.ID).Where("status = 'active'").Where("token = ?", lock.Token).Exec(ctx)
		if err != nil {
			return err
		}
		_, err = tx.NewInsert().Model(&baselineEvent{LockID: lock.ID, Kind: "released", At: now}).Returning("NULL").Exec(ctx)
		return err
	})
}
