// Package rules is the state machine that stores written in Go share: each
// operation of a [backend.Store] as one step over a transaction ([Tx]), which
// is all that such a store has to write. Package backend/memory shows how
// little that is, examples/boltstore how it is done on a database; docs/stores.md
// in the repository goes through it method by method. (The Redis store does the
// same in Lua. Conformance tests compare all of them with a model.)
//
// # Layers
//
// Each builds on those before it and uses none of those after it:
//
//   - record.go, tx.go, end.go: what is stored; how a lease or waiter ends.
//   - conflict.go: the leases that keep a request from being granted.
//   - queue.go, bypass.go: the earlier waiters that do so as well, and which of
//     them a request may pass because they wait for its holder.
//   - graph.go, deadlock.go: who waits for whom.
//   - wake.go: whom a step wakes.
//   - acquire.go, grant.go, renew.go, release.go, force.go, sweep.go: the
//     operations.
//   - operations.go: all of them, over two functions of a store.
//
// # How much a step does
//
// A question is answered from the claims that overlap, never from all leases or
// all waiters. A step ends at most maxEnds leases and waiters, and reads at most
// about maxWork records; both bounds are of the whole step. What it cannot
// decide within them it refuses, or answers with [backend.Again] after durable
// progress.
//
// # Invariants
//
// Of every step that returns without an error:
//
//   - no two active leases whose time is not over conflict, a sub-lease and the
//     leases of its chain aside;
//   - a change of a record and its event are in the same transaction;
//   - whoever can be granted now, and could not before, has been woken, or
//     somebody before it in line has.
package rules
