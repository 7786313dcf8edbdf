// Package backend is what stands between a [lease.Manager] and a database.
//
// [Store] is what the author of a store writes: the operations that must be
// atomic, and nothing else. [New] is the engine that turns a Store into a
// Manager: it validates, fills in defaults, waits, withdraws what was
// abandoned, watches and sweeps. Package conformance checks a Store, package
// backend/rules is the state machine that stores written in Go share, and
// package backend/memory is the smallest store there is.
package backend
