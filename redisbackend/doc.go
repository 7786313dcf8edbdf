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
//	topology                      after a crash of the (master) server     not promised
//	single, appendfsync always    nothing is lost                          service while it is away
//	single, appendfsync everysec  up to a second of steps may be lost      the newest grants
//	single, only RDB snapshots    all since the last snapshot is lost      the newest grants, and ends
//	single, without persistence   everything is lost                       any lease
//	Sentinel, Cluster             steps that no promoted replica had       the newest grants
//	                              are lost
//
// Steps of the last kind are few in a crash while replicas keep up. In a
// partition they may be many: a master that is cut off from
// the others goes on granting to the clients on its side until it hears that
// another was promoted, and all of that is lost. After a failover the new
// master's clock counts: leases end earlier or later by the difference between
// the two clocks, and the store's time runs on from where it was.
// What a server refuses (MISCONF, NOREPLICAS, READONLY, out of memory) is
// refused as a whole, as [lease.ErrUnavailable], and has changed nothing.
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
// store that commits by a majority (etcd, ZooKeeper, Consul) instead. There a
// grant counts only once most servers have written it, so no failover loses it,
// and a server that is cut off grants nothing; the price is a round of
// agreement, with a write to disk, for each step, and no service without a
// majority.
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
// The history is trimmed in portions of up to 32 events, which were written
// together: up to 31 more than history_max_events may be kept.
//
// # Rights
//
// These are all the rights that a user needs. The patterns may name one
// namespace, as in ~leasekit:{team-a}:*.
//
//	ACL SETUSER leases on >secret resetkeys resetchannels -@all
//	  ~leasekit:{* &leasekit:{* +eval +evalsha +ping +hello +time
//	  +del +hget +hgetall +hlen +hmget +hset +hsetnx +hdel +hincrby
//	  +xadd +xlen +xrange +xrevrange +xtrim
//	  +zadd +zrem +zcard +zcount +zlexcount +zrange +zrangebylex +zrangebyscore
//	  +zrank +zscore +publish +subscribe +unsubscribe
//	  +spublish +ssubscribe +sunsubscribe
//
// In a Cluster also +cluster|slots +cluster|shards +command +readonly; for
// WaitReplicas also +wait; for the warning about eviction also +config|get.
//
// Connection strings and TLS are the client's; see the example Connect. With
// redis.Options.TLSConfig set, or a rediss:// URL, everything here goes over TLS.
package redisbackend
