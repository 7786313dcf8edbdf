package benchmarks

import (
	"context"
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"github.com/bsm/redislock"
	"github.com/go-redsync/redsync/v4"
	redsyncpool "github.com/go-redsync/redsync/v4/redis/goredis/v9"
	"github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"
	"github.com/redis/rueidis/rueidislock"

	"github.com/leasekit/leasekit/internal/redistest"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/redisbackend"
)

// lockTTL is long enough that nothing expires or is renewed while it is measured.
const lockTTL = 30 * time.Second

// errLost is what a locker answers whose lock was gone at its release: nobody
// else asks for these keys, so it means that the comparison is broken.
var errLost = errors.New("the lock was gone before its release")

// A locker does one acquire and one release, as a user of its library writes
// them. It is used by many goroutines at once.
type locker interface {
	Pair(ctx context.Context, key string) error
}

// A contender opens a locker on the server and closes it when b ends.
// Everything but the TTL is its library's default unless a comment says why not.
type contender struct {
	name string
	open func(b *testing.B, server *redistest.Server) locker
}

var contenders = []contender{
	{"plain", openPlain},
	{"leasekit", openLeasekit},
	{"redislock", openRedislock},
	{"redsync", openRedsync},
	{"rueidislock", openRueidislock(2)},
	{"rueidislock-majority-1", openRueidislock(1)},
}

// openClient is closed when b ends, not when the server does: a run measures
// many lockers, and idle connections of those before it would slow it down.
func openClient(b *testing.B, server *redistest.Server) *redis.Client {
	client := redis.NewClient(server.Options())
	b.Cleanup(func() { _ = client.Close() })
	return client
}

// plainLocker is the lock that people write by hand: SET NX PX and
// compare-and-delete, with no fencing, history or queue. It is the yardstick.
type plainLocker struct{ client *redis.Client }

var compareAndDelete = redis.NewScript(
	`if redis.call("GET", KEYS[1]) == ARGV[1] then return redis.call("DEL", KEYS[1]) end return 0`)

func openPlain(b *testing.B, server *redistest.Server) locker {
	return plainLocker{openClient(b, server)}
}

func (l plainLocker) Pair(ctx context.Context, key string) error {
	value := rand.Text()
	err := l.client.SetArgs(ctx, "plain:"+key, value, redis.SetArgs{Mode: "NX", TTL: lockTTL}).Err()
	if err != nil {
		return err
	}
	deleted, err := compareAndDelete.Run(ctx, l.client, []string{"plain:" + key}, value).Int()
	if err == nil && deleted != 1 {
		err = errLost
	}
	return err
}

type leasekitLocker struct{ manager lease.Manager }

// openLeasekit has what the others lack switched on, as it is by default: the
// queue, fencing and the history.
func openLeasekit(b *testing.B, server *redistest.Server) locker {
	manager, err := redisbackend.Open(b.Context(), openClient(b, server), nil)
	if err != nil {
		b.Fatalf("leasekit: %v", err)
	}
	b.Cleanup(func() { _ = manager.Close() })
	return leasekitLocker{manager}
}

func (l leasekitLocker) Pair(ctx context.Context, key string) error {
	held, err := l.manager.TryAcquire(ctx, lease.Request{Holder: key, Claims: lease.Paths(key), TTL: lockTTL})
	if err != nil {
		return err
	}
	return l.manager.Release(ctx, held.Ref())
}

type redislockLocker struct{ client *redislock.Client }

func openRedislock(b *testing.B, server *redistest.Server) locker {
	return redislockLocker{redislock.New(openClient(b, server))}
}

func (l redislockLocker) Pair(ctx context.Context, key string) error {
	lock, err := l.client.Obtain(ctx, "redislock:"+key, lockTTL, nil)
	if err != nil {
		return err
	}
	return lock.Release(ctx)
}

type redsyncLocker struct{ sync *redsync.Redsync }

func openRedsync(b *testing.B, server *redistest.Server) locker {
	return redsyncLocker{redsync.New(redsyncpool.NewPool(openClient(b, server)))}
}

func (l redsyncLocker) Pair(ctx context.Context, key string) error {
	mutex := l.sync.NewMutex("redsync:"+key, redsync.WithExpiry(lockTTL))
	if err := mutex.TryLockContext(ctx); err != nil {
		return err
	}
	held, err := mutex.UnlockContext(ctx)
	if err == nil && !held {
		err = errLost
	}
	return err
}

type rueidisLocker struct{ locker rueidislock.Locker }

// openRueidislock takes the majority: rueidislock sets three keys for one lock
// by default (a majority of two), on a single server too; one key is what the
// others set.
func openRueidislock(majority int32) func(b *testing.B, server *redistest.Server) locker {
	return func(b *testing.B, server *redistest.Server) locker {
		opened, err := rueidislock.NewLocker(rueidislock.LockerOption{
			ClientOption: rueidis.ClientOption{InitAddress: []string{server.Addr()}},
			KeyValidity:  lockTTL,
			KeyMajority:  majority,
			// Its acquire gives up on a key after 20 ms unless told; a busy
			// machine takes longer now and then, which is no refusal.
			TryNextAfter: time.Second,
		})
		if err != nil {
			b.Fatalf("rueidislock: %v", err)
		}
		b.Cleanup(opened.Close)
		return rueidisLocker{opened}
	}
}

func (l rueidisLocker) Pair(ctx context.Context, key string) error {
	held, release, err := l.locker.TryWithContext(ctx, key)
	if err != nil {
		return err
	}
	lost := held.Err() != nil
	release()
	if lost {
		return errLost
	}
	return nil
}
