package redisbackend_test

import (
	"crypto/tls"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// The clients that Open takes, for each topology. None of them connects before
// it is used.
func Example_connect() {
	// A connection string: redis://user:password@host:port/database, or rediss:// for TLS.
	options, err := redis.ParseURL("rediss://leases:secret@redis.example.com:6380/0")
	if err != nil {
		fmt.Println(err)
		return
	}
	single := redis.NewClient(options)
	defer single.Close()

	// TLS with settings of one's own.
	secure := redis.NewClient(&redis.Options{
		Addr: "redis.example.com:6380", Username: "leases", Password: "secret",
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12, ServerName: "redis.example.com"},
	})
	defer secure.Close()

	// Sentinel: the client finds the master, and the new one after a failover.
	sentinel := redis.NewFailoverClient(&redis.FailoverOptions{
		MasterName: "mymaster", SentinelAddrs: []string{"node1:26379", "node2:26379", "node3:26379"},
	})
	defer sentinel.Close()

	// A Cluster: each namespace lives on one of its shards.
	cluster := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{"node1:6379", "node2:6379", "node3:6379"}})
	defer cluster.Close()

	for _, client := range []redis.UniversalClient{single, secure, sentinel, cluster} {
		fmt.Printf("%T\n", client)
	}
	// Output:
	// *redis.Client
	// *redis.Client
	// *redis.Client
	// *redis.ClusterClient
}
