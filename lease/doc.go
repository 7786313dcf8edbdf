// Package lease is the contract of Leasekit: TTL leases on file paths, or on
// any slash-separated names, shared by many agents, workers and processes.
//
// A holder asks for a set of claims (path, mode, scope). All of them are
// granted together, as one [Lease] with a TTL and a fencing [Token], or none
// is. A request that cannot be granted may keep its place in a fair queue kept
// in the store. The store is the only clock, every change of state is written
// to the history in the same step, and a lease that is not renewed ends by
// itself.
//
//	m, err := sqlitebackend.Open(ctx, "leases.db", nil)
//	...
//	err = lease.Do(ctx, m, lease.Request{
//		Holder: "agent-7",
//		Claims: lease.Paths("src/main.go", "src/util.go"),
//		TTL:    time.Minute,
//	}, func(ctx context.Context, l lease.Lease) error {
//		... // ctx ends if the lease is lost
//	})
//
// [Do] acquires, keeps renewed, runs and releases; [NewKeeper] renews many
// leases from one goroutine; [Upgrade], [Downgrade], [Shrink] and [Transfer]
// replace one lease by another in one step. Package fencefile writes files
// under fencing tokens, package audit proves from a history that the rules were
// kept.
//
// # The rule of conflict
//
// Two claims overlap if their paths are equal, or one is a tree over the
// other. They conflict if they overlap, at least one is exclusive, and their
// holders differ. A request is granted if none of its claims conflicts with an
// active lease, nor with an earlier waiter (unless that waiter itself waits
// for this holder). Holders never conflict with themselves: a holder is one
// sequential actor, and may take the same path again; each grant is a lease of
// its own with its own, newer token, and releasing one never frees another.
// Tasks that share a name do not exclude each other: give each its own
// [NewHolder], or set [Request.Distinct].
//
// # Time
//
// A lease ends when the store's clock reaches its expiry, swept or not. The
// holder learns of it earlier: [Lease.Valid] turns false at a local deadline
// that is counted from the start of the call that brought the lease, minus a
// margin, by a clock that counts suspend and that no step of the wall clock
// moves ([Clock]). So a holder that is cut off, stopped or suspended knows that
// it lost its lease before anybody else can be granted the path, provided it
// asks.
//
// # Glossary
//
// These words mean the same in all packages, errors, events and metrics.
//
//   - namespace: leases, queue, history and configuration that belong together
//   - holder: who asks, one sequential actor; its leases never exclude each other
//   - path: what is claimed, in normal form ([CleanPath])
//   - claim: a path with a mode and a scope
//   - mode: exclusive, or shared
//   - scope: exact, or tree (the path and all below it)
//   - request: claims asked for together, named by an ID
//   - attempt: one call that asks for a request; withdrawn if nobody takes the outcome
//   - lease: a granted request, until its expiry
//   - TTL: how long a lease lasts from its grant or renewal on
//   - renewal: a later expiry for the same lease
//   - token: the number of a grant, greater than all before it (a fencing token)
//   - Ref: ID, holder and token of a lease: proof of ownership
//   - local deadline: when the holder must stop relying on a lease, by its own [Clock]
//   - waiter: a request that has a place in the queue
//   - heartbeat: the ask by which a waiter keeps its place
//   - lapse: the end of a place that was not kept
//   - blocker: a lease, or an earlier waiter, that is in the way of a request
//   - bypass rule: a request need not stand behind waiters that wait for its holder
//   - contention: the waiters for what a lease holds
//   - replacement: a lease's end in the step that grants another; between holders, a transfer
//   - sub-lease: a lease under the cover of another, its parent; chain: that and its parents
//   - revocation: an end by ForceRelease
//   - tombstone: what the store remembers of a withdrawn attempt, so that no late copy of it is granted
//   - history, event: what happened, in order; Seq: the place in it
//   - sweep: recording of ends that are due, and forgetting of what is past its retention
//   - store: what keeps a namespace; engine: what makes a [Manager] of it
//   - step: one atomic operation of a store
//
// # Errors
//
// Errors are sentinels for [errors.Is], carried by typed errors where data
// helps; see the variables and types below. A caller's ended context is kept:
// errors.Is(err, ctx.Err()) holds as well.
//
// This package needs nothing but the standard library. Everything here may be used
// by many goroutines at once unless its comment says otherwise.
package lease
