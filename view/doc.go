// Package view is a live web page over a [lease.Manager], as an [http.Handler]
// of the standard library only: who holds what, who waits for whom, what
// happened in the last minutes, and, if allowed, the means to end a lease.
//
//	mux.Handle("/leases/", http.StripPrefix("/leases", view.Handler(m, nil)))
//
// The page works under any prefix and behind any middleware, and without
// inline scripts or styles. Authentication is the caller's middleware. Without
// [Options.Allow] no request changes anything.
//
// # What it shows
//
// The handler keeps a copy of the active leases and the waiters in memory:
// it reads the state once, then follows the history with one Watch, however
// many people look. What the history does not tell, it reads again: waiters,
// whose heartbeats are no events, every few seconds; everything, if the history
// or its renewals are switched off. Times are the store's. Tokens are never
// shown.
//
// Each thing on the page has a JSON form below api/, which docs/view.md lists.
//
// # Life cycle
//
// The copy is made for the first request that needs it and dropped
// [Options.Linger] after the last one, or when [Options.Context] ends or the
// Manager is closed. End the context before http.Server.Shutdown, which would
// otherwise wait for the open streams:
//
//	ctx, cancel := context.WithCancel(context.Background())
//	server.RegisterOnShutdown(cancel)
package view
