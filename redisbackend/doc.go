// Package redisbackend keeps leases in Redis, version 7 or newer: a single
// server, one with Sentinel, or a Cluster.
//
// [Open] takes the application's own client, which stays the caller's to close:
//
//	client := redis.NewClient(&redis.Options{Addr: "localhost:6379"})
//	m, err := redisbackend.Open(ctx, client, nil)
//
// Each step is one script and one round trip, and steps that are asked for at
// the same time share a round trip. The server's clock is the only one. All
// keys of a namespace are in one hash slot.
//
// # What is promised
//
// A script runs alone and whole, so as long as the same data is served nothing
// is granted twice, whatever becomes of the clients and their connections. What
// the topologies differ in is what happens when data is lost:
//
//	topology                          after a crash of the (master) server
//	single, appendfsync always        nothing is lost
//	single, appendfsync everysec      up to a second of steps may be lost
//	single, without persistence       everything is lost
//	Sentinel, Cluster                 steps that no promoted replica had are lost
//
// A lost grant may be given to another holder while the first still relies on
// it. Three things narrow this, and none rules it out:
//
//   - Options.WaitReplicas makes a step count only once so many replicas have
//     it (WAIT). A failover may still promote another replica.
//   - min-replicas-to-write on the server makes a master that has lost its
//     replicas refuse steps.
//   - Fencing tokens jump with the clock, and so rise over those that were lost
//     as far as the servers' clocks agree. A resource that checks them refuses
//     the older holder.
//
// A process that sees the store go back in time (its epoch has changed, or its
// newest token or its count of arrivals is lower than what the process has seen)
// is granted nothing more: [lease.ErrRegressed], until an operator calls
// [Acknowledge]. A process that starts later knows of no past, and is not
// refused. Neither is one that saw the newest of what was lost, once others have
// been granted something and there have been as many arrivals since as were
// lost: what is certain to be noticed is a new epoch only.
//
// Where a lost grant cannot be afforded and the resource checks no tokens, use a
// store that commits by a majority (etcd, ZooKeeper, Consul) instead.
//
// # What is not bounded
//
// While a script runs the server does nothing else, so a step ends, tests and
// wakes a bounded number of leases and waiters, and a batch that has become too
// much work is finished later. Three things take time in proportion: a shared
// claim of a tree, 1.5 µs for each shared claim below it; a request of a holder
// that has leases but none that covers what it asks for, some 25 µs for each
// waiter that those before it wait for; a query by [lease.Query] Under or Path,
// for each claim there that it does not mean.
//
// A TryAcquire whose reply was lost is sent again by go-redis. If the second copy
// is refused and the first, delayed on its way, arrives after that, it may be
// granted to nobody, until its TTL ends; a client with MaxRetries -1 rules that out.
//
// # Settings of the server
//
// Use maxmemory-policy noeviction: an eviction policy for all keys would drop
// leases, and Options.Warn is told of one. A server that is out of memory grants
// nothing, keeps no new place in line, and still renews, releases and sweeps.
//
// With an ACL, a user needs the keys ~leasekit:{* and the channels &leasekit:{*
// (or those of its namespace), and these commands:
//
//	eval evalsha ping hello time hget hmget hset hdel hincrby
//	zadd zrem zcard zcount zlexcount zrange zrangebylex zrangebyscore zrank zscore
//	xadd xlen xrange xrevrange xtrim
//	publish subscribe unsubscribe spublish ssubscribe sunsubscribe
//
// In a Cluster also cluster|slots, cluster|shards, command and readonly; for
// WaitReplicas also wait; for the warning about eviction also config|get.
//
// TLS is the client's: set redis.Options.TLSConfig, or use a rediss:// URL.
package redisbackend
