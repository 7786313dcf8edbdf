package postgresbackend

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"

	"github.com/leasekit/leasekit/conformance"
	"github.com/leasekit/leasekit/internal/benchtest"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/postgresbackend/internal/pgtest"
)

// BenchmarkStore is the benchmark that all stores share, with fsync=off.
func BenchmarkStore(b *testing.B) { conformance.Bench(b, opened(pgtest.Shared().URL())) }

// BenchmarkAgainstBaseline measures acquire+release of distinct paths beside a
// lock as one would write it in an hour: one transaction for each operation,
// INSERT ... ON CONFLICT with Bun, without history, queue or clean-up. Each
// iteration is a round of both, one after the other; the ratio is the median of
// the rounds. Run it with
//
//	go test -run '^$' -bench AgainstBaseline -benchtime 5x .
func BenchmarkAgainstBaseline(b *testing.B) {
	for _, fsync := range []bool{true, false} {
		server := pgtest.Start(b, fsync)
		for _, goroutines := range []int{1, 8, 64} {
			b.Run(fmt.Sprintf("fsync=%v/goroutines=%d", fsync, goroutines), func(b *testing.B) {
				ours, err := Open(b.Context(), server.URL(), nil)
				require.NoError(b, err)
				defer ours.Close()
				theirs := openBaseline(b, server)
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

// baseline is a lock table as one would write it in an hour.
type baseline struct{ db *bun.DB }

type baselineLock struct {
	bun.BaseModel `bun:"table:locks"`

	Path      string    `bun:"path,pk"`
	Holder    string    `bun:"holder"`
	Token     int64     `bun:"token,nullzero,default:nextval('tokens')"`
	ExpiresAt time.Time `bun:"expires_at"`
}

func openBaseline(b *testing.B, server *pgtest.Server) *baseline {
	server.Exec(`DROP TABLE IF EXISTS locks; DROP SEQUENCE IF EXISTS tokens; CREATE SEQUENCE tokens;
		CREATE TABLE locks (path text PRIMARY KEY, holder text, token bigint DEFAULT nextval('tokens'), expires_at timestamptz)`)
	config, err := pgx.ParseConfig(server.URL())
	require.NoError(b, err)
	pool := stdlib.OpenDB(*config)
	pool.SetMaxOpenConns(64)
	pool.SetMaxIdleConns(64)
	b.Cleanup(func() { require.NoError(b, pool.Close()) })
	return &baseline{bun.NewDB(pool, pgdialect.New())}
}

func (l *baseline) pair(ctx context.Context, path string) error {
	lock := &baselineLock{Path: path, Holder: path, ExpiresAt: time.Now().Add(time.Minute)}
	_, err := l.db.NewInsert().Model(lock).
		On("CONFLICT (path) DO UPDATE").Set("holder = EXCLUDED.holder, token = EXCLUDED.token, expires_at = EXCLUDED.expires_at").
		Where("baseline_lock.expires_at < now()").Returning("token").Exec(ctx)
	if err != nil {
		return err
	}
	result, err := l.db.NewDelete().Model(lock).Where("path = ? AND holder = ? AND token = ?", lock.Path, lock.Holder, lock.Token).Exec(ctx)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return errors.Join(err, sql.ErrNoRows)
	}
	return nil
}

// BenchmarkPair is one goroutine's acquire and release: with its allocations.
func BenchmarkPair(b *testing.B) {
	m, err := Open(b.Context(), pgtest.Shared().URL(), &Options{Namespace: "pair"})
	require.NoError(b, err)
	defer m.Close()
	r := lease.Request{Holder: "agent", Claims: lease.Paths("src/pkg/file.go"), TTL: time.Minute}
	b.ReportAllocs()
	for b.Loop() {
		l, err := m.TryAcquire(b.Context(), r)
		if err != nil {
			b.Fatal(err)
		}
		if err := m.Release(b.Context(), l.Ref()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkGrowth acquires and releases while many other leases are held: the
// time hardly grows.
func BenchmarkGrowth(b *testing.B) {
	for _, held := range []int{1000, 100_000} {
		b.Run(fmt.Sprintf("held=%d", held), func(b *testing.B) {
			m, err := Open(b.Context(), pgtest.Shared().URL(), &Options{Namespace: fmt.Sprintf("growth-%d", held)})
			require.NoError(b, err)
			defer m.Close()
			hold(b, m, held)
			b.ResetTimer()
			for i := range b.N {
				l, err := m.TryAcquire(b.Context(), lease.Request{Holder: "h", Claims: lease.Paths(fmt.Sprintf("a/b/%d", i%1000)), TTL: time.Hour})
				require.NoError(b, err)
				require.NoError(b, m.Release(b.Context(), l.Ref()))
			}
		})
	}
}

// hold grants leases until n are held, if none were, to a hundred holders.
func hold(b *testing.B, m lease.Manager, n int) {
	b.Helper()
	stats, err := m.Stats(b.Context())
	require.NoError(b, err)
	const goroutines = 100
	errs := make(chan error, goroutines)
	for g := range goroutines {
		go func() {
			var err error
			for i := g; i < n-stats.Active && err == nil; i += goroutines {
				_, err = m.TryAcquire(b.Context(), lease.Request{
					Holder: fmt.Sprintf("holder-%d", g), Claims: lease.Paths(fmt.Sprintf("held/%d/%d", i%97, i)), TTL: 10 * time.Hour,
				})
			}
			errs <- err
		}()
	}
	for range goroutines {
		require.NoError(b, <-errs)
	}
}
