package open

import (
	"context"
	"errors"
	"net/url"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/redisbackend"
	"github.com/leasekit/leasekit/sqlitebackend"
)

func openSQLite(ctx context.Context, t target) (lease.Manager, error) {
	name, _ := File(t.url)
	return sqlitebackend.Open(ctx, name, &sqlitebackend.Options{Namespace: t.namespace, Engine: t.engine})
}

func openRedis(ctx context.Context, t target) (lease.Manager, error) {
	client, err := redisClient(t.url)
	if err != nil {
		return nil, err
	}
	m, err := redisbackend.Open(ctx, client, &redisbackend.Options{
		Namespace: t.namespace, Engine: t.engine, Warn: t.warn,
	})
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	return closing{Manager: m, client: client}, nil
}

// closing is a Manager whose client is closed with it.
type closing struct {
	lease.Manager
	client redis.UniversalClient
}

// Close closes the Manager, then the client.
func (c closing) Close() error {
	return errors.Join(c.Manager.Close(), c.client.Close())
}

// Closing tells a lease.Keeper that the Manager is closed.
func (c closing) Closing() <-chan struct{} {
	if m, ok := c.Manager.(interface{ Closing() <-chan struct{} }); ok {
		return m.Closing()
	}
	return nil
}

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

func sorted(s []string) []string { slices.Sort(s); return s }
