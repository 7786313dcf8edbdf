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
// # Errors
//
// Errors are sentinels for [errors.Is], carried by typed errors where data
// helps; see the variables and types below. A caller's ended context is kept:
// errors.Is(err, ctx.Err()) holds as well.
//
// This package imports the standard library only. Everything here may be used
// by many goroutines at once unless its comment says otherwise.
package lease
