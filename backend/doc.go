// Package backend is what stands between a [lease.Manager] and a database.
//
// [Store] is what the author of a store writes: the operations that must be
// atomic, and nothing else. [New] is the engine that turns a Store into a
// Manager: it validates, fills in defaults, waits, withdraws what was
// abandoned, watches and sweeps. Package conformance checks a Store, package
// backend/rules is the state machine that stores written in Go share, and
// package backend/memory is the smallest store there is. docs/stores.md in the
// repository tells how to write one, examples/boltstore is one that was written so.
//
// # Glossary
//
//   - ask: one call of [Store.Acquire] for an attempt; a request is asked for
//     again on waking, on its heartbeat, and after [Again].
//   - attempt: one call of Acquire or TryAcquire of the Manager.
//   - blocker: a lease, or an earlier waiter, that keeps a request from being
//     granted.
//   - bypass rule: a holder may pass an earlier waiter that waits for it, directly
//     or through others; so re-entering and upgrading never queue behind it.
//   - chain: the leases above a sub-lease: its parent and the parent's chain.
//   - claim: a path with a mode (exclusive, shared) and a scope (exact, tree).
//   - client: the process, or handle, that keeps a waiter's place.
//   - contention: who waits for what a lease holds.
//   - deadline: of a lease its expiry, of a waiter the moment its place lapses.
//   - deadlock: a cycle of holders, each waiting for a lease of the next.
//   - engine: what [New] makes of a Store.
//   - event: one entry of the history, written in the step that it tells of.
//   - heartbeat: an ask that keeps a place.
//   - hint: what wakes a waiter so that it asks; it may be lost, and may be wrong.
//   - holder: who asks; one sequential actor.
//   - lapse: the end of a waiter that nobody asked for in time.
//   - late copy: a call that arrives after its caller gave it up, or again.
//   - parent: the lease under whose cover a sub-lease is taken.
//   - place: a waiter's position in the queue, fixed when it arrives.
//   - Ref: proof of ownership of a lease: its ID, holder and token.
//   - request: what an ID names, from its first ask until it is forgotten.
//   - revocation: an end by ForceRelease.
//   - step: one operation of a store, atomic, at one moment of its clock.
//   - sweep: recording ends, and forgetting what is past its retention.
//   - token: the fencing token of a grant; it rises with every grant.
//   - tombstone: what remembers a withdrawn attempt, so that no late copy of it is
//     ever granted.
//   - waiter: a request with a place in line.
package backend
