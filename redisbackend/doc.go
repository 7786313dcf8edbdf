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
// newest token or its number of changes, renewals among them, is lower than what
// the process has seen) is granted nothing more: [lease.ErrRegressed], until an
// operator calls [Acknowledge]. A process that starts later knows of no past,
// and is not refused. Neither is one that saw the newest of what was lost, once
// others have been granted something and there have been as many changes since
// as were lost: what is certain to be noticed is a new epoch only.
//
// The store's clock is the server's, and never runs backwards. Where the
// server's is behind (it was set back, or another server took over) the store's
// runs at half its speed until the server's has caught up: leases last longer by
// what the two differ in, at most, and nothing of the difference stays.
//
// A master that was demoted and cut off answers reads, and so [lease.Verify],
// until it hears of that; only writes are refused by min-replicas-to-write.
// [Open] on a replica is refused.
//
// Where a lost grant cannot be afforded and the resource checks no tokens, use a
// store that commits by a majority (etcd, ZooKeeper, Consul) instead. There a
// grant counts only once most servers have written it, so no failover loses it,
// and a server that is cut off grants nothing; the price is a round of
// agreement, with a write to disk, for each step, and no service without a
// majority.
//
// # Late copies
//
// go-redis sends a call again when its reply does not come in time, and the
// first copy may arrive later. A copy that is late changes nothing: an ask says
// until when, by the store's clock, it may be granted, and the end of a request
// and the withdrawal of an attempt are remembered for longer than that, whatever
// Config.EndedMax says; a renewal says in which order it was made.
//
// # What is bounded
//
// While a script runs the server does nothing else, so a step has a budget of
// work: it ends, tests and wakes a bounded number of leases and waiters, a page
// of a list is bounded by bytes, and a batch that has become too much work is
// finished later. A search that has spent the budget stops on the safe side: a
// request stays behind a waiter that it cannot be shown to pass, and a waiter
// that cannot be shown to stay behind is woken to ask.
//
// What still takes time in proportion is a request's own claims: to enqueue one
// with 256 claims of 16 parts takes some milliseconds.
//
// # Settings of the server
//
// Use maxmemory-policy noeviction: an eviction policy for all keys would drop
// leases, and Options.Warn is told of one. A server that is out of memory grants
// nothing, keeps no new place in line, and still renews, releases and sweeps.
//
// A server that is full while a lease is being granted may have granted it all
// the same: memory is checked at a script's first write only.
//
// A waiter whose process is gone lapses a quarter of a second after somebody could have
// been told to go on and nobody listened: so a process must be able to subscribe. What a
// process was told while it died the server counts as heard. The process that told it looks
// again for some seconds, and once a second so do those that wait behind it.
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
//	  +del +exists +hget +hgetall +hlen +hmget +hset +hsetnx +hdel +hexists +hincrby
//	  +xadd +xlen +xrange +xrevrange +xtrim
//	  +zadd +zrem +zcard +zcount +zlexcount +zmscore +zrange +zrangebylex +zrangebyscore
//	  +zrevrangebylex +zrevrangebyscore +zrank +zscore
//	  +publish +subscribe +unsubscribe +pubsub|numsub
//	  +spublish +ssubscribe +sunsubscribe +pubsub|shardnumsub
//
// In a Cluster also +cluster|slots +cluster|shards +command +readonly; for
// WaitReplicas also +wait; for the warning about eviction also +config|get.
//
// Connection strings and TLS are the client's; see the example Connect. With
// redis.Options.TLSConfig set, or a rediss:// URL, everything here goes over TLS.
package redisbackend
