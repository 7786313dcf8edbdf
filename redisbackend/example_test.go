package redisbackend_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"log"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/redisbackend"
)

// The client is the application's own, and stays open when the Manager is
// closed. Here it speaks to miniredis; any redis.UniversalClient will do.
func ExampleOpen() {
	server := miniredis.NewMiniRedis()
	server.ClockTTL(true)
	if err := server.Start(); err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	client := redis.NewClient(&redis.Options{Addr: server.Addr()})
	defer client.Close()

	ctx := context.Background()
	m, err := redisbackend.Open(ctx, client, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()

	request := lease.Request{Holder: "agent-1", Claims: lease.Trees("src/net")}
	err = lease.Do(ctx, m, request, func(ctx context.Context, l lease.Lease) error {
		other := lease.Request{Holder: "agent-2", Claims: lease.Paths("src/net/dial.go")}
		_, err := m.TryAcquire(ctx, other)
		fmt.Println(err != nil)
		return nil
	})
	fmt.Println(err)
	// Output:
	// true
	// <nil>
}

// A connection string; rediss:// is TLS.
func ExampleOpen_url() {
	options, err := redis.ParseURL("rediss://leases:secret@redis.example.com:6380/0")
	if err != nil {
		log.Fatal(err)
	}
	client := redis.NewClient(options)
	defer client.Close()
	m, err := redisbackend.Open(context.Background(), client, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
}

// With Sentinel the client finds the master, and the new one after a failover.
// WaitReplicas makes a step count only once a replica has it.
func ExampleOpen_sentinel() {
	client := redis.NewFailoverClient(&redis.FailoverOptions{
		MasterName:    "mymaster",
		SentinelAddrs: []string{"10.0.0.1:26379", "10.0.0.2:26379", "10.0.0.3:26379"},
	})
	defer client.Close()
	m, err := redisbackend.Open(context.Background(), client, &redisbackend.Options{WaitReplicas: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
}

// In a Cluster a namespace lives on one shard; several namespaces spread.
func ExampleOpen_cluster() {
	client := redis.NewClusterClient(&redis.ClusterOptions{
		Addrs: []string{"10.0.0.1:6379", "10.0.0.2:6379", "10.0.0.3:6379"},
	})
	defer client.Close()
	m, err := redisbackend.Open(context.Background(), client, &redisbackend.Options{Namespace: "team-a"})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
}

// TLS, with a user whose rights are those of the package documentation.
func ExampleOpen_tls() {
	client := redis.NewClient(&redis.Options{
		Addr:      "redis.example.com:6380",
		Username:  "leases",
		Password:  "secret",
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12, ServerName: "redis.example.com"},
	})
	defer client.Close()
	m, err := redisbackend.Open(context.Background(), client, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
}
