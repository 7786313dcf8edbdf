package open

import (
	"context"
	"errors"
	"io"
	"net/url"
	"slices"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/postgresbackend"
	"github.com/leasekit/leasekit/redisbackend"
	"github.com/leasekit/leasekit/sqlitebackend"
)

// schemes has the stores by the scheme of their URLs. etcd's client takes a good
// part of a hook's time to start, so it is only there if asked for (etcd.go).
var schemes = map[string]opener{
	"sqlite": openSQLite,
	"redis":  openRedis,
	"rediss": openRedis,

	"postgres":   openPostgres,
	"postgresql": openPostgres,
}

func openSQLite(ctx context.Context, t target) (lease.Manager, io.Closer, error) {
	name, _ := File(t.url)
	m, err := sqlitebackend.Open(ctx, name, &sqlitebackend.Options{Namespace: t.namespace, Engine: t.engine})
	return m, nil, err
}

func openRedis(ctx context.Context, t target) (lease.Manager, io.Closer, error) {
	quietRedis()
	client, err := redisClient(t.url)
	if err != nil {
		return nil, nil, err
	}
	m, err := redisbackend.Open(ctx, client, &redisbackend.Options{
		Namespace: t.namespace, Engine: t.engine, Warn: t.warn,
	})
	if err != nil {
		return nil, nil, errors.Join(err, client.Close())
	}
	return m, client, nil
}

func openPostgres(ctx context.Context, t target) (lease.Manager, io.Closer, error) {
	m, err := postgresbackend.Open(ctx, t.url, &postgresbackend.Options{Namespace: t.namespace, Engine: t.engine})
	return m, nil, err
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

func sorted(s []string) []string { slices.Sort(s); return s }
