package postgresbackend

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leasekit/leasekit/lease"
)

// listener passes on the hints of other processes. It has a connection of its
// own, and begins when somebody first waits. Where notifications do not arrive (a
// pooler swallows LISTEN), and while there is no connection, all waiters ask again
// every pollEvery. By its session others know that this handle is alive.
type listener struct {
	worker

	store   *Store
	config  *pgx.ConnConfig
	closing context.Context
	stop    context.CancelFunc
	joined  bool // the session is, or was, known to be this handle's

	mutex sync.Mutex
	drop  context.CancelFunc // ends the connection; nil: there is none
}

const (
	pollEvery      = 100 * time.Millisecond
	firstReconnect = 50 * time.Millisecond
	lastReconnect  = 5 * time.Second
	proofPatience  = 2 * time.Second  // for the notification that proves that they arrive
	idlePatience   = 30 * time.Second // without a notification, until the connection is tested
)

func (l *listener) init(s *Store) {
	l.store = s
	l.closing, l.stop = context.WithCancel(context.Background())
}

// Subscribe implements [backend.Store].
func (s *Store) Subscribe(id lease.ID) (<-chan struct{}, func()) {
	hint, unsubscribe := s.waiters.Subscribe(id)
	if s.options.waiters != nil {
		return hint, unsubscribe
	}
	s.listener.begin(s.listener.run)
	s.watch.begin()
	return hint, unsubscribe
}

func (l *listener) close() {
	l.stop()
	l.end()
}

// reconnect makes the listener connect anew.
func (l *listener) reconnect() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.drop != nil {
		l.drop()
	}
}

func (l *listener) run() {
	for pause := firstReconnect; l.closing.Err() == nil; pause = min(2*pause, lastReconnect) {
		unheard, proven := context.WithCancel(l.closing)
		var polling sync.WaitGroup
		polling.Go(func() { l.poll(unheard) })
		if l.listen(proven) {
			pause = firstReconnect
		}
		proven()
		polling.Wait()

		broken, stop := context.WithTimeout(l.closing, pause)
		l.poll(broken)
		stop()
	}
}

// poll makes all waiters ask again, now and then, until ctx ends.
func (l *listener) poll(ctx context.Context) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			l.store.waiters.NotifyAll()
		case <-ctx.Done():
			return
		}
	}
}

// listen passes on hints until the connection breaks, and reports whether any
// could be heard. It says so as soon as that is proven.
func (l *listener) listen(proven func()) (heard bool) {
	conn, err := l.connect()
	if err != nil {
		return false
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), closePatience)
		defer cancel()
		_ = conn.Close(ctx)
	}()
	joined := l.joined && l.join(conn) // at once: others do not wait long for it
	if l.prove(conn) != nil {
		return false
	}
	ctx, drop := context.WithCancel(l.closing)
	defer drop()
	l.dropBy(drop)
	defer l.dropBy(nil)
	l.joined = joined || l.join(conn)
	proven()
	l.store.waiters.NotifyAll() // for what was missed
	for {
		if err := l.next(ctx, conn); err != nil {
			if !errors.Is(err, context.DeadlineExceeded) || conn.IsClosed() || l.ping(conn) != nil {
				return true
			}
		}
	}
}

func (l *listener) dropBy(drop context.CancelFunc) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.drop = drop
}

func (l *listener) connect() (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(l.closing, l.store.options.Patience)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, l.config)
	if err != nil {
		return nil, err
	}
	if _, err = conn.Exec(ctx, "LISTEN "+pgx.Identifier{l.store.channel}.Sanitize()); err != nil {
		return nil, errors.Join(err, conn.Close(ctx))
	}
	return conn, nil
}

// prove sends a notification through the pool and waits for it.
func (l *listener) prove(conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(l.closing, proofPatience)
	defer cancel()
	proof := "proof " + string(lease.NewID())
	err := l.store.withConn(ctx, func(other *pgx.Conn) error {
		_, err := other.Exec(ctx, `SELECT pg_notify($1, $2)`, l.store.channel, proof)
		return err
	})
	for found := false; err == nil && !found; {
		found, err = l.wait(ctx, conn, proof)
	}
	return err
}

func (l *listener) ping(conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(l.closing, l.store.options.Patience)
	defer cancel()
	return conn.Ping(ctx)
}

// next waits for one notification and passes it on.
func (l *listener) next(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, idlePatience)
	defer cancel()
	_, err := l.wait(ctx, conn, "")
	return err
}

// wait waits for one notification, and passes it on unless it is the proof.
func (l *listener) wait(ctx context.Context, conn *pgx.Conn, proof string) (isProof bool, err error) {
	n, err := conn.WaitForNotification(ctx)
	if err != nil {
		return false, err
	}
	if n.Payload == proof {
		return true, nil
	}
	l.store.waiters.Notify(lease.ID(n.Payload))
	return false, nil
}
