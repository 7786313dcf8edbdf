package postgresbackend

import (
	"context"
	"fmt"
	"regexp"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/conformance"
	"github.com/leasekit/leasekit/postgresbackend/internal/pgtest"
)

var namespaces atomic.Int64

// sharedPool is a pool of connections that handles share, as those of an
// application do: a new connection takes PostgreSQL some milliseconds, and a
// first query of each kind as many again.
var sharedPool = sync.OnceValue(func() *bun.DB {
	config, err := pgx.ParseConfig(pgtest.Shared().URL())
	if err != nil {
		panic(err)
	}
	pool := stdlib.OpenDB(*config)
	pool.SetMaxOpenConns(40)
	pool.SetMaxIdleConns(40)
	return bun.NewDB(pool, pgdialect.New())
})

// pooled makes fixtures whose handles share a pool.
func pooled(tb testing.TB) conformance.Fixture {
	return fixture(tb, func(tb testing.TB, o *Options) (*Store, error) { return NewStore(tb.Context(), sharedPool(), o) })
}

// opened returns what makes fixtures whose handles open the server at url.
func opened(url string) func(testing.TB) conformance.Fixture {
	return func(tb testing.TB) conformance.Fixture {
		return fixture(tb, func(tb testing.TB, o *Options) (*Store, error) { return OpenStore(tb.Context(), url, o) })
	}
}

// fixture is a namespace of its own on the shared server.
func fixture(tb testing.TB, open func(testing.TB, *Options) (*Store, error)) conformance.Fixture {
	return fixtureOn(tb, pgtest.Shared().URL(), open)
}

// fixtureOn is a namespace of its own on the server at url, whose tables must
// agree with each other at the end.
func fixtureOn(tb testing.TB, url string, open func(testing.TB, *Options) (*Store, error)) conformance.Fixture {
	options := Options{Namespace: fmt.Sprintf("case-%d", namespaces.Add(1))}
	used := false
	tb.Cleanup(func() {
		if used {
			requireSound(tb, url, options.Namespace)
		}
	})
	return conformance.Fixture{
		RealTime: true,
		Crash:    crash,
		Open: func(tb testing.TB) backend.Store {
			used = true
			s, err := open(tb, &options)
			require.NoError(tb, err)
			return s
		},
	}
}

// crash ends a handle as the end of its process does. What it has begun is over
// then: others know that it was alive.
func crash(tb testing.TB, store backend.Store) {
	s := store.(*Store)
	if s.listener.begun() { // it has waited
		require.Eventually(tb, func() bool { return s.known(tb) }, patience, time.Millisecond)
	}
	require.NoError(tb, s.Close())
}

// known reports whether others know that the handle is alive, and would notice that it is not.
func (s *Store) known(tb testing.TB) bool { return s.knows(tb, s.client) }

func (s *Store) knows(tb testing.TB, client string) (known bool) {
	err := s.db.NewRaw(`SELECT count(*) > 0 FROM ?.lease_clients WHERE client = ? AND listens`, bun.Ident(s.options.Schema), client).
		Scan(context.WithoutCancel(tb.Context()), &known)
	require.NoError(tb, err)
	return known
}

// suite makes fixtures in virtual time, and in real time, by the server's clock
// and with notifications, for the groups that are about when something happens.
func suite(tb testing.TB) conformance.Fixture {
	if inRealTime.MatchString(tb.Name()) {
		return pooled(tb)
	}
	return virtual(tb)
}

var inRealTime = regexp.MustCompile(`/(Handover/(By|InTheGap)|Gone/|Cancel/|ClockLoad/|Shutdown/)`)

func TestConformance(t *testing.T) { conformance.Run(t, suite) }

func TestParity(t *testing.T) { conformance.Parity(t, virtual, conformance.Seeds(1, paritySeeds)...) }

// Random scripts by the server's clock, and with notifications.
func TestRealTime(t *testing.T) {
	t.Parallel()
	conformance.Parity(t, pooled, conformance.Seeds(1, 10)...)
}
