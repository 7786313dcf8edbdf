package backend

import "github.com/leasekit/leasekit/internal/hints"

// Hints is what a store of one process needs for [Store.Subscribe]: its method
// Subscribe is that, and Notify(ids...) hints to those who wait for these IDs. The
// zero value is ready, and safe for concurrent use; all handles share one. It
// never blocks: of several hints that nobody has looked at one is kept.
type Hints = hints.Hub
