// Package postgresbackend keeps leases in a PostgreSQL database (13 or newer),
// for processes on any number of machines. See [Open] for a URL, [New] for the
// pool of an application.
//
// # What it promises
//
// Everything that [lease.Manager] does. What a commit survives is PostgreSQL's
// setting synchronous_commit ([Options.SynchronousCommit]):
//
//   - On, with fsync=on (both are PostgreSQL's defaults): the end of any process,
//     kill -9 of the server and a power loss. State and history agree, and a token
//     that was handed out is never handed out again. With
//     synchronous_standby_names a failover to one of those replicas too.
//   - [RemoteApply] and [RemoteWrite]: the same, and what the replica has done by
//     then. With [RemoteWrite] both machines must lose their power at once for
//     something to be lost.
//   - [Local]: the same on the primary alone, whatever replicas there are.
//   - [Off]: the end of a client. A crash of the server may take the commits of
//     the last moments with it, and a lease that was granted in them is granted
//     again to somebody else.
//
// A replica is refused ([ErrUnsupported]): on opening, and, inside of a
// [lease.UnavailableError], when a handle is connected to one later.
//
// A failover to a replica that had not got everything loses the last grants, and
// with them exclusion until they would have ended; so does the restoring of a
// backup. A handle whose commits are gone (the event that it recorded last is
// not there, or another one has its number) or that has seen a newer token than
// it finds refuses everything with [lease.ErrRegressed] until it is opened anew,
// also after others have gone on from the older state. It finds that out as long
// as Config.History is on. Nobody else can know. Tokens, which also count
// milliseconds, still rise, as far as the clocks of the two machines agree.
//
// An error in mid-air is one of three kinds: a call is repeated by itself where it
// is certain that nothing was committed (a deadlock, a connection that broke
// before COMMIT); where it is certain but of no use to repeat, and where the
// outcome is unknown (a connection that broke during COMMIT), it fails with
// [lease.ErrUnavailable], and the engine takes back what may have been granted.
//
// # Time
//
// The clock is the server's (clock_timestamp), read after the namespace is
// locked; the clocks of clients do not matter. It never goes back: where it was
// set back, time stands still. Let NTP slew it: a step forward ends leases early,
// for everybody, also for who holds them.
//
// # Poolers
//
// PgBouncer in transaction mode is fine. Before its version 1.21 say
// default_query_exec_mode=exec in the URL (or in the pool's configuration), since
// it knows no prepared statements. LISTEN hears nothing behind it: that is noticed,
// and waiters then ask again ten times a second. Nothing else depends on a session
// but that it is noticed who is gone.
//
// # Who is gone
//
// A waiter whose process has ended is passed half a second to a second later,
// whatever Config.WaiterTTL is, by whoever waits or asks for the same paths: the
// session that listens has gone with the process, and with it an advisory lock
// that stands for the handle. Of a process that ended in the first moment of its
// first wait it takes two seconds more. Such a place lapses ([lease.KindLapsed]).
//
// Who lives is not passed. A session that is lost is made anew in that time; a
// handle that cannot do so, but reaches the server, says that nothing is to be
// concluded from it. Nor is anything concluded from what was before a restart or
// crash of the server, or before a failover. But a process that does not reach the
// server at all for so long, while its session has ended there or has not begun, is
// gone for the others.
//
// Where nothing is known the place lasts until its time is over: behind a pooler;
// where a machine has vanished and the server still counts its connections (until
// tcp_keepalives_idle and what belongs to it say otherwise); after a restart of the
// server, for who had ended before.
//
// # Rights
//
// Who opens a schema first makes it, and needs CREATE on the database. After that,
// and again after the first open by a version that adds tables, a role needs no
// more than this:
//
//	GRANT USAGE ON SCHEMA leasekit TO leases;
//	GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA leasekit TO leases;
//
// # How it works
//
// Operations of a process that arrive together share one transaction (package
// internal/groupcommit), of mostly two round trips: one begins it, locks the
// namespace's row, reads the clock and reads ahead what the operations will ask
// for; the other writes what has changed and commits. Processes queue for their
// turn at an advisory lock of the transaction, and lock the row then. What a step
// decides is package backend/rules, and what it knows meanwhile is in known.go; a
// handle that is alone still knows it in the next transaction. Reads are snapshots,
// which wait for no writer.
//
// A waiter in another process is woken by NOTIFY, in the same commit. A handle on
// which somebody waits has a connection of its own for that.
//
// A transaction is given up after [Options.Patience], or when the server's own
// statement_timeout, lock_timeout or idle_in_transaction_session_timeout says so.
package postgresbackend
