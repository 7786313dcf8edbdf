package stores

import (
	"context"
	"errors"
	"io"
	"net/url"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/open"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/redisbackend"
)

func openRedis(ctx context.Context, t open.Target) (lease.Manager, io.Closer, error) {
	quietRedis()
	client, err := redisClient(t.URL)
	if err != nil {
		return nil, nil, err
	}
	m, err := redisbackend.Open(ctx, client, &redisbackend.Options{
		Namespace: t.Namespace, Engine: t.Engine, Warn: t.Warn,
	})
	if err != nil {
		return nil, nil, errors.Join(err, client.Close())
	}
	return m, client, nil
}

// quietRedis keeps go-redis from writing to the standard error, which belongs to
// whoever started the command: its errors are returned as well.
var quietRedis = sync.OnceFunc(func() { redis.SetLogger(silence{}) })

type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}

// redisClient returns the client for a URL: with master_name it speaks to
// Sentinels, with cluster=true or more than one addr to a Cluster, else to one
// server.
func redisClient(storeURL string) (redis.UniversalClient, error) {
	u, err := url.Parse(storeURL)
	if err != nil {
		return nil, withoutURL(err)
	}
	q := u.Query()
	switch cluster := q.Get("cluster"); {
	case q.Has("master_name"):
		o, err := redis.ParseFailoverURL(storeURL)
		if err != nil {
			return nil, withoutURL(err)
		}
		o.ContextTimeoutEnabled = true
		return redis.NewFailoverClient(o), nil
	case cluster == "true", cluster == "1", q.Has("addr"):
		q.Del("cluster")
		u.RawQuery = q.Encode()
		o, err := redis.ParseClusterURL(u.String())
		if err != nil {
			return nil, withoutURL(err)
		}
		o.ContextTimeoutEnabled = true
		return redis.NewClusterClient(o), nil
	}
	o, err := redis.ParseURL(storeURL)
	if err != nil {
		return nil, withoutURL(err)
	}
	o.ContextTimeoutEnabled = true
	return redis.NewClient(o), nil
}

// withoutURL drops the URL, and so the password, from an error of net/url.
func withoutURL(err error) error {
	var e *url.Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}
