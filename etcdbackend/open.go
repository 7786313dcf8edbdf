package etcdbackend

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/internal/groupcommit"
	"github.com/leasekit/leasekit/lease"
)

// Open connects to the cluster that a URL names, and returns a Manager over one
// of its namespaces, which is made if it is new:
//
//	etcd://127.0.0.1:2379
//	etcd://user:password@10.0.0.1:2379,10.0.0.2:2379,10.0.0.3:2379/namespace
//
// The scheme etcds means TLS, with the machine's certificates. For anything
// else, a client certificate say, make a client and use [New]. A namespace in
// the URL takes the place of Options.Namespace.
func Open(ctx context.Context, address string, o *Options) (lease.Manager, error) {
	s, err := OpenStore(ctx, address, o)
	if err != nil {
		return nil, err
	}
	return backend.New(s, o.engine()), nil
}

// New returns a Manager over a namespace, which is made if it is new. The client
// stays the caller's to close, after the Manager. Set its DialKeepAliveTime and
// DialKeepAliveTimeout to a few seconds, so that it leaves a member that does not
// answer.
func New(ctx context.Context, client *clientv3.Client, o *Options) (lease.Manager, error) {
	s, err := NewStore(ctx, client, o)
	if err != nil {
		return nil, err
	}
	return backend.New(s, o.engine()), nil
}

// OpenStore is [Open] without the engine, for those who wrap stores.
func OpenStore(ctx context.Context, address string, o *Options) (*Store, error) {
	config, namespace, err := parse(address)
	if err != nil {
		return nil, err
	}
	var with Options
	if o != nil {
		with = *o
	}
	if namespace != "" {
		with.Namespace = namespace
	}
	client, err := clientv3.New(config)
	if err != nil {
		return nil, &lease.UnavailableError{Op: "open", Err: err}
	}
	s, err := open(ctx, client, &with, client.Close)
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	return s, nil
}

// NewStore is [New] without the engine, for those who wrap stores.
func NewStore(ctx context.Context, client *clientv3.Client, o *Options) (*Store, error) {
	return open(ctx, client, o, func() error { return nil })
}

// How soon a client notices that a member does not answer.
const (
	dialTimeout   = 5 * time.Second
	keepAliveTime = 5 * time.Second
)

// parse reads the URL of a cluster.
func parse(address string) (c clientv3.Config, namespace string, err error) {
	u, err := url.Parse(address)
	if err != nil {
		return c, "", lease.Invalid("url", "%v", errors.Unwrap(err)) // without the password
	}
	scheme := map[string]string{"etcd": "http", "etcds": "https"}[u.Scheme]
	switch {
	case scheme == "":
		return c, "", lease.Invalid("url", "the scheme is %q, want etcd or etcds", u.Scheme)
	case u.Host == "":
		return c, "", lease.Invalid("url", "it names no host")
	case u.RawQuery != "" || u.Fragment != "":
		return c, "", lease.Invalid("url", "it has a query or a fragment, and neither means anything")
	}
	for host := range strings.SplitSeq(u.Host, ",") {
		c.Endpoints = append(c.Endpoints, scheme+"://"+host)
	}
	c.DialTimeout, c.DialKeepAliveTime, c.DialKeepAliveTimeout = dialTimeout, keepAliveTime, keepAliveTime
	if u.User != nil {
		c.Username = u.User.Username()
		c.Password, _ = u.User.Password()
	}
	return c, strings.TrimPrefix(u.Path, "/"), nil
}

func open(ctx context.Context, client *clientv3.Client, o *Options, shut func() error) (*Store, error) {
	options, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Store{
		kv: client.KV, watcher: client.Watcher, leases: client.Lease, shut: func() error { return nil },
		keys: newKeyspace(options.Namespace), options: options, clock: newClock(options.wall),
	}
	s.closing, s.stop = context.WithCancel(context.Background())
	s.queue = groupcommit.New(s.transact, isFinalBatch)
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(openError(ctx, options.Namespace, err), s.Close())
	}
	s.shut = shut
	return s, nil
}

// start makes the namespace, reads it, and begins to follow it.
func (s *Store) start(ctx context.Context) error {
	if err := s.create(ctx); err != nil {
		return err
	}
	shot, err := s.snapshot(ctx)
	if err != nil {
		return err
	}
	s.mirror.reset(shot)
	s.background.Go(func() { s.follow(shot.at + 1) })
	alive, err := s.join(ctx)
	if err != nil {
		return err
	}
	s.background.Go(func() { s.keepSession(alive) })
	return s.compareClocks(ctx)
}

func openError(ctx context.Context, namespace string, err error) error {
	if ctx.Err() != nil {
		err = errors.Join(ctx.Err(), err)
	}
	return unavailable("open", fmt.Errorf("etcdbackend: namespace %q: %w", namespace, err))
}
