// Cluster is the quickstart over Redis: eight agents, each a process of its own,
// edit one tree of files under leases kept in a Redis server. Two of them are
// killed while they hold leases. At the end it checks by itself that no edit
// was lost, and exits with status 1 if anything is wrong.
//
//	go run ./examples/cluster
//	go run ./examples/cluster -redis redis://localhost:6379
//	go run ./examples/cluster -redis 'redis://node1:6379?addr=node2:6379&addr=node3:6379'
//
// Without -redis it brings a small server of its own, miniredis. The last form
// is a Redis Cluster. The keys are removed at the end.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/leasekit/leasekit/examples/internal/agents"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/redisbackend"
)

func main() {
	url := flag.String("redis", "", "URL of a Redis server or Cluster (default: an embedded miniredis)")
	agents.Main(open, func(ctx context.Context, _ string) (string, func() error, error) {
		if *url == "" {
			return embedded()
		}
		// A namespace of its own, whatever else is on that server.
		address := *url + "#example-" + string(lease.NewID())
		return address, func() error { return forget(ctx, address) }, nil
	})
}

// embedded starts a server that the agents' processes can reach too.
func embedded() (address string, leave func() error, err error) {
	server := miniredis.NewMiniRedis()
	server.ClockTTL(true) // keys expire as time goes by, as on a real server
	if err := server.Start(); err != nil {
		return "", nil, err
	}
	fmt.Println("miniredis listens on", server.Addr())
	return "redis://" + server.Addr() + "#example", func() error { server.Close(); return nil }, nil
}

// connected is a Manager with the client that is its own.
type connected struct {
	lease.Manager
	client redis.UniversalClient
}

func (c connected) Close() error { return errors.Join(c.Manager.Close(), c.client.Close()) }

// open opens the namespace at an address, which is a URL with the namespace
// after a "#".
func open(ctx context.Context, address string) (lease.Manager, error) {
	client, namespace, err := connect(address)
	if err != nil {
		return nil, err
	}
	m, err := redisbackend.Open(ctx, client, &redisbackend.Options{Namespace: namespace})
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	return connected{m, client}, nil
}

func connect(address string) (client redis.UniversalClient, namespace string, err error) {
	url, namespace, _ := strings.Cut(address, "#")
	if strings.Contains(url, "addr=") {
		o, err := redis.ParseClusterURL(url)
		if err != nil {
			return nil, "", err
		}
		return redis.NewClusterClient(o), namespace, nil
	}
	o, err := redis.ParseURL(url)
	if err != nil {
		return nil, "", err
	}
	return redis.NewClient(o), namespace, nil
}

// forget removes the namespace at an address from its server.
func forget(ctx context.Context, address string) error {
	client, namespace, err := connect(address)
	if err != nil {
		return err
	}
	defer client.Close()
	remove := func(ctx context.Context, server redis.Cmdable) error {
		keys := server.Scan(ctx, 0, "leasekit:{"+namespace+"}:*", 1000).Iterator()
		for keys.Next(ctx) {
			if err := server.Unlink(ctx, keys.Val()).Err(); err != nil {
				return err
			}
		}
		return keys.Err()
	}
	if cluster, is := client.(*redis.ClusterClient); is {
		return cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error { return remove(ctx, node) })
	}
	return remove(ctx, client)
}
