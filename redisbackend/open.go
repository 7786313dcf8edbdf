package redisbackend

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// Open returns a Manager over a namespace in Redis; the namespace is made if it is new. The client may be a
// *redis.Client (a single server, or with Sentinel), a *redis.ClusterClient, or a type that embeds one of them; it stays
// the caller's to close, after the Manager. A *redis.Ring, or no client, is refused with an error that is
// [lease.ErrInvalid].
func Open(ctx context.Context, client redis.UniversalClient, o *Options) (lease.Manager, error) {
	s, err := NewStore(ctx, client, o)
	if err != nil {
		return nil, err
	}
	return backend.New(s, o.orDefaults().Engine), nil
}

// NewStore returns a handle on a namespace in Redis; see Open.
func NewStore(ctx context.Context, client redis.UniversalClient, o *Options) (backend.Store, error) {
	if err := checkClient(client); err != nil {
		return nil, err
	}
	options := o.orDefaults()
	s := newStore(client, options)
	if err := s.begin(ctx, "open"); err != nil {
		s.combiner.close()
		s.waker.close()
		return nil, &lease.UnavailableError{Op: "open", Err: err}
	}
	if options.Warn != nil {
		warnOfEviction(ctx, client, newKeyspace(options.Namespace).key(keyNames[0]), options.Warn)
	}
	return s, nil
}

// Acknowledge ends the refusal to grant (ErrRegressed) after a namespace went back in time: by a restored backup, a
// wiped server, or a replica that was promoted without the newest writes. Before, make sure that nobody still relies on
// a lease that the store has forgotten. New tokens rise over all old ones as far as the server's clock does.
func Acknowledge(ctx context.Context, client redis.UniversalClient, o *Options) error {
	if err := checkClient(client); err != nil {
		return err
	}
	s := newStore(client, o.orDefaults())
	defer s.Close()
	if err := s.begin(ctx, "acknowledge"); err != nil {
		return &lease.UnavailableError{Op: "acknowledge", Err: err}
	}
	return nil
}

// checkClient refuses a client that no namespace can be kept with.
func checkClient(client redis.UniversalClient) error {
	switch client.(type) {
	case nil:
		return lease.Invalid("client", "there is none")
	case interface{ SetAddrs(addrs map[string]string) }: // a Ring, or what wraps one
		return lease.Invalid("client", "a Ring drops a server that does not answer and asks another, which knows no lease")
	}
	return nil
}

// begin learns the epoch of the namespace, and makes what it lacks.
func (s *Store) begin(ctx context.Context, operation string) error {
	c := lease.DefaultConfig()
	c.Version = 1
	config, err := encodeConfig(c)
	if err != nil {
		return err
	}
	args := []any{newName(), config}
	if operation == "acknowledge" {
		args = append(args, strconv.FormatInt(time.Now().UnixMilli(), 10))
	}
	_, err = s.do(ctx, operation, args...)
	return err
}

// warnOfEviction warns of a server that may drop keys when its memory is full: all leases at once, since they share
// a few keys. In a Cluster the master that has the namespace is asked. A user without the right to read the setting is
// told that.
func warnOfEviction(ctx context.Context, client redis.UniversalClient, key string, warn func(string)) {
	settings, err := await(ctx, func(ctx context.Context) (map[string]string, error) {
		node, err := masterOf(ctx, client, key)
		if err != nil {
			return nil, err
		}
		return node.ConfigGet(ctx, "maxmemory-policy").Result()
	})
	if err != nil {
		warn(fmt.Sprintf("redis: could not check that maxmemory-policy is noeviction: %v", err))
		return
	}
	if policy := settings["maxmemory-policy"]; strings.HasPrefix(policy, "allkeys-") {
		warn(fmt.Sprintf("redis: maxmemory-policy is %q: a server whose memory is full drops leases; use noeviction", policy))
	}
}
