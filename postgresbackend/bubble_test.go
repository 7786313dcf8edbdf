package postgresbackend

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"

	"github.com/leasekit/leasekit/conformance"
	"github.com/leasekit/leasekit/internal/hints"
	"github.com/leasekit/leasekit/postgresbackend/internal/pgtest"
)

// virtual makes fixtures whose time is that of the test's bubble. All handles
// share a pool; those of a fixture share their hints as if they were notified: a
// connection that listens would keep the time from passing.
func virtual(tb testing.TB) conformance.Fixture {
	pool := bubblePool()
	var waiters hints.Hub
	f := fixture(tb, func(tb testing.TB, o *Options) (*Store, error) {
		o.waiters, o.clock, o.use = &waiters, bubbleTime, holdTime
		defer holdTime()()
		return NewStore(tb.Context(), pool, o)
	})
	f.RealTime, f.Reopen = false, func(testing.TB) {} // the server keeps what there is
	return f
}

// bubbleTime is the process' time where that is another than the server's, as it
// is in a bubble.
func bubbleTime(server time.Time) time.Time {
	if now := time.Now(); now.Sub(server).Abs() > time.Hour {
		return now
	}
	return server
}

// holdTime keeps the time of a bubble from passing until it is let go. A read from
// the network does so by itself, but not once pgx, whose write took longer than a
// moment on a busy machine, reads in a goroutine outside of all bubbles.
func holdTime() (letGo func()) {
	var held sync.Mutex // who waits for it keeps the time from passing
	held.Lock()
	go func() {
		held.Lock()
		held.Unlock() //nolint:staticcheck // nothing is to be done meanwhile
	}()
	return held.Unlock
}

// bubblePool is a pool for all bubbles: one first asks for it outside of them. It
// is not bounded, since who waits for a connection of it does so in a bubble, and
// who gives one back may be in another.
var bubblePool = sync.OnceValue(func() *bun.DB {
	config, err := pgx.ParseConfig(pgtest.Shared().URL())
	if err != nil {
		panic(err)
	}
	pool := sql.OpenDB(newOutside(stdlib.GetConnector(*config)))
	pool.SetMaxIdleConns(maxIdle)
	return bun.NewDB(pool, pgdialect.New())
})

const maxIdle = 40

// outside connects outside of all bubbles: the channels of a connection belong to
// none of them then.
type outside struct {
	driver.Connector

	work chan func()
}

func newOutside(c driver.Connector) *outside {
	o := &outside{Connector: c, work: make(chan func())}
	go func() {
		for f := range o.work {
			go f()
		}
	}()
	return o
}

// Connect implements [driver.Connector].
func (o *outside) Connect(context.Context) (c driver.Conn, err error) {
	var running sync.Mutex // who waits for it keeps the time of a bubble from passing
	running.Lock()
	o.work <- func() {
		defer running.Unlock()
		c, err = o.Connector.Connect(context.Background())
	}
	running.Lock()
	return c, err
}
