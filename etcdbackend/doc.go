// Package etcdbackend keeps leases in an etcd cluster, of version 3.5 or newer.
// [Open] takes a URL, [New] the application's own client, with which TLS,
// passwords and certificates are the application's to choose.
//
// # What is promised
//
// All changes of a namespace form one chain of transactions in etcd: each holds
// only if nothing was changed since what it was decided on. So what [lease.Manager]
// promises is promised here whatever becomes of the processes, as long as etcd
// keeps what it has acknowledged, and as long as the machines' clocks agree:
//
//	what happens                            what that means
//	a minority of the members is lost       nothing is lost; calls wait for a new leader
//	a majority of the members is lost       nothing is granted or renewed; leases run out
//	a process is killed or cut off          its leases end by their TTL, its waiters are passed once its etcd lease ends
//	a call is not answered                  it is found out whether it took effect, or the call fails with ErrUnavailable and is taken back
//	old revisions are compacted             nothing; a process that was behind reads all anew
//	a backup is restored, keys are deleted  processes that knew better grant nothing more: ErrRegressed
//	clocks differ by up to MaxSkew          nothing; every holder stops that much before its lease ends
//	clocks differ by more                   the process is refused: ErrClockSkew; see below
//
// # Clocks
//
// etcd has no clock to ask. The time of a transaction is that of the machine whose
// process decides it, or that of the transaction before, whichever is later; it
// is stored with it and never runs backwards. A holder is told that its lease
// ends Options.MaxSkew before it does, and stops then; so another process, whose
// clock is ahead by no more than that, does not find it expired before.
//
// What clocks must keep: those of any two machines are never further apart than
// MaxSkew, half a second by default (NTP keeps them within a few milliseconds).
// What is checked: a process that opens a namespace, and each minute from then on,
// asks up to three others what their clocks show; and whoever reads a time of
// the namespace that is ahead of its own clock by more than MaxSkew notices that.
// It is refused with a [*ClockSkewError], inside a [lease.UnavailableError], until
// the clocks agree again: it is granted and renews nothing, and its leases run
// out. What is not noticed: the clock of a process that nobody is there to be
// compared with and that runs ahead, and for up to a minute one that runs off by
// itself. Fencing tokens rise even so.
//
// While a process runs its clock is not the wall clock but the time since the
// machine started, suspend included, which follows the wall clock by a
// thousandth of the time that passes. A step of the wall clock is no danger;
// after a large one that sets a wrong clock right, start the process anew.
//
// Processes that all run on one machine may say so ([OneClock]).
//
// # How it works
//
// Each process has a copy of the namespace in memory (history aside), which a
// watch keeps up to date. The steps of package backend/rules run on it, those
// that are asked for at the same time together, and what they change is sent in
// one transaction, into one key of a log: a transaction costs by the key more
// than by the byte. If another process was faster it fails; the copy catches up
// and the steps run again. Refusals and looks read etcd too: no answer is older
// than its call. So a namespace serves a few hundred transactions a second, of up
// to some hundred steps each, and needs memory for all its leases, and for what
// ended within Config.EndedRetention, in each process: about a kilobyte each, and
// twice that when the log has as much that is of no more use, before it is cleaned.
//
// To pass something on to a waiter of the same process takes one transaction. To
// one of another process it takes two: one that releases it, and one in which the
// waiter asks and is granted it. (etcd's own mutex takes one and a read.) What is
// granted to a waiter that does not ask would be lost until the end of its TTL if
// that waiter has just died.
//
// The history is compressed and stays in etcd, whose database is small (2 GB by
// default, for all applications): a million events at most unless
// Config.HistoryMaxEvents says otherwise. Let etcd compact and be defragmented as
// for any use of it (--auto-compaction-retention).
//
// # Rights
//
// A user needs to read and write the keys with the namespace's prefix (see
// Options.Namespace), and nothing else:
//
//	etcdctl role grant-permission app --prefix=true readwrite leasekit/default/
package etcdbackend
