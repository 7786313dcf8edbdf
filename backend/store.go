package backend

import (
	"context"
	"time"

	"github.com/leasekit/leasekit/lease"
)

// Store keeps one namespace. Every operation is one atomic step, durable when
// it returns, safe to repeat with the same arguments, and safe for concurrent
// use. The names in brackets are the conformance cases that check a promise;
// "Group" alone is all of that group.
//
//   - A refusal is a reply (an [Outcome]), never an error. An error means that
//     the store is out of reach or that the outcome is unknown; the engine
//     wraps it in a [lease.UnavailableError] unless it already is one of the
//     lease package's errors. [LostReply/EverythingTwice, LostReply/Storm]
//   - The store is the only clock: callers pass durations, in whole
//     milliseconds. Time is monotonic: a step never uses a time below the
//     highest that a step before it has written. A lease ends when that clock
//     reaches its expiry, which is never earlier than grant + TTL.
//     [Clock/OneClock, Clock/NeverEarly, Clock/RenewalNeverEarly, ClockLoad/NoGainNoLoss]
//   - Every change of state writes its event in the same step (unless
//     Config.History is off). A step that comes across a lease or waiter whose
//     time is over records that end before it does anything else with it.
//     [History, History/EndsBeforeGrants, History/Off; Check, after every case]
//   - A step does bounded work. If it could not finish, it replies [Again]
//     after durable progress, and the engine repeats it. [Force/Many, Sweep/Many, Bounds]
//   - Ends and withdrawals are remembered for lease.MinEndedRetention at least,
//     whatever Config.EndedMax says. [Repeated/EndsAreSpared, Repeated/TombstonesAreSpared]
//   - Arguments are in normal form: validated, paths clean, claims sorted,
//     defaults filled in. A store never checks them again. [Limits]
//   - A ctx that ends while a call waits makes it return early, with an error
//     that is ctx.Err(); the step may still take effect. [Cancel/StalledStore, Cancel/Many]
type Store interface {
	// Acquire grants the request, keeps its place in line, or refuses it.
	// [Acquire, Claims, Queue, Exception, Priority, Deadlock, Place, Replace;
	// repeated: Identity/AskRepeated; tokens: Fencing; args.Quota: Limits/Quota,
	// Bounds/QuotaOfTheLiving; args.NotAfter: Repeated/NotAfter; args.Blockers:
	// Bounds/FirstBlockerOnly; Request.Parent: Sublease; Stale: Config]
	Acquire(ctx context.Context, args AcquireArgs) (AcquireReply, error)

	// Renew moves a lease's expiry, changes its labels, or reserves tokens for its
	// holder. [Renew; args.Op: Renew/Repeated, Repeated/RenewalOvertaken;
	// args.Relabel: Labels; args.Reserve: Tokens]
	Renew(ctx context.Context, args RenewArgs) (RenewReply, error)

	// Release ends a lease by its Ref. [Release; wakes: Handover/ByRelease;
	// repeated: Release/Twice; of a place: LateCopy/AskForAPlaceGivenUp]
	Release(ctx context.Context, args ReleaseArgs) (ReleaseReply, error)

	// Withdraw takes back one attempt of a request.
	// [Identity/WithdrawalOfOneAttempt, Identity/Tombstone, Identity/TombstoneLasts,
	// Identity/WithdrawnTwice, Replace/NotTakenBack; wakes: Handover/ByACancelledWaiter]
	Withdraw(ctx context.Context, args WithdrawArgs) (WithdrawReply, error)

	// Force ends leases, and withdraws waiters, by query. [Force]
	Force(ctx context.Context, args ForceArgs) (ForceReply, error)

	// Sweep records ends and forgets what is past its retention: at most limit
	// leases, waiters, ended leases and events together. More says that there
	// is more to do. [Sweep, History/Retention, History/MaxEvents, Fencing/AfterForgetting]
	Sweep(ctx context.Context, limit int) (SweepReply, error)

	// List returns a page of the leases and waiters that q selects by
	// [Matches] and [MatchesStatus], by first arrival
	// [List/Queries, List/Order]. A lease whose time is over is Expired, recorded
	// or not [List/ExpiredAtOnce, List/LapsedAtOnce]. The cursor is "" at first,
	// then ListReply.Next of the previous page. A page may be empty and not the
	// last [List/ExactlyOnce]. With q.ID it fills
	// Contention and finds what has ended too [Get]. It never writes
	// [History/LooksAreNot]. q.Limit is the engine's.
	List(ctx context.Context, q lease.Query, cursor string) (ListReply, error)

	// Events returns events after Query.After, in order. An After that is not 0
	// and lies before what is kept is a [lease.TrimmedError] [History/Trimmed,
	// Watch/Trimmed]; one beyond the head is treated as the head
	// [Watch/BeyondTheHead]. It may block up to EventsReply.Wait, as long as ctx
	// lives. [History/Queries, History/Pages, Watch/Follows, Watch/Now]
	Events(ctx context.Context, args EventsArgs) (EventsReply, error)

	// Subscribe subscribes to hints that the waiter with this ID may now be
	// granted. Subscribe before asking [Handover/InTheGap]. Hints may be lost and
	// may be wrong; they are never blocked on [Handover/ByReleaseUnhinted,
	// Handover/ByExpiryUnhinted]; a herd is never woken [Handover/FewAsks]. A nil
	// channel makes the engine poll. stop is called exactly once.
	Subscribe(id lease.ID) (hint <-chan struct{}, stop func())

	// Stats counts. [Stats]
	Stats(ctx context.Context) (lease.Stats, error)

	// Config returns the configuration, [lease.DefaultConfig] with Version 1 in
	// a new namespace, and the store's clock. [Config/Default, Config/Kept]
	Config(ctx context.Context) (ConfigReply, error)

	// SetConfig sets it if c.Version is the current version, else
	// lease.ErrVersion, and returns it with Version + 1. [Config/Version,
	// Config/Concurrent]
	SetConfig(ctx context.Context, c lease.Config) (lease.Config, error)

	// Close releases what the store holds in this process. It is called once,
	// after every other call has returned. [Close/Twice, Close/RefusesCalls,
	// Close/KeepsLeases]
	Close() error
}

// Outcome is what a step decided.
type Outcome uint8

// The outcomes.
const (
	Done       Outcome = iota // granted, renewed, released, withdrawn: what was asked for
	Queued                    // not granted; the request has a place in line
	Refused                   // not granted, and no place kept
	Deadlocked                // not granted: waiting would be for ever; any place is given up
	OverQuota                 // not granted: args.Quota is reached
	Mismatch                  // the ID belongs to a request with another holder, claims, Replace or Parent
	Withdrawn                 // this attempt was withdrawn before: it can never be granted
	Gone                      // the lease has ended, or is not the caller's: see End
	LimitHit                  // MaxRenewals is reached
	TooLong                   // the lease's own TTL is more than args.MaxTTL
	TreeOnly                  // Force: a tree lease is reached only through Query.Path; nothing was changed
	Stale                     // args.ConfigVersion is not the current one; nothing was done; see Config
	Again                     // part of the work is done and durable: repeat the call
	Late                      // the store's clock is past args.NotAfter; nothing was done
	Overtaken                 // a renewal with a later Op has been applied; nothing was done
	BadParent                 // the request cannot be a sub-lease of its Parent: see Problem; nothing was done
)

// End says how a lease or request ended, for the outcome Gone.
type End struct {
	Err       error    // lease.ErrNotFound, ErrNotHolder, ErrExpired, ErrReleased, ErrRevoked or ErrReplaced
	Successor lease.ID // of ErrReplaced
	Actor     string   // of ErrRevoked
	Reason    string   // of ErrRevoked
}

// AcquireArgs is one ask of one attempt to be granted a request.
//
// The ID names the request. Asked for again with the same holder, claims,
// Replace and Parent it returns its lease or its place, unchanged (Done,
// Queued). After its end it is Gone while that is remembered, then a new
// request; one that was withdrawn or has lapsed is a new request at once.
type AcquireArgs struct {
	Request lease.Request // normal form: ID, Holder, Claims; TTL > 0; MaxRenewals != 0

	// Attempt names the call of Acquire or TryAcquire that asks; it has no line
	// break. A request is taken back when the last of the attempts that have a
	// part in it is withdrawn: those that asked with a PlaceTTL, or were
	// answered Done [Identity/TriesDoNotWait, Identity/TryIsGranted]. An empty
	// one stands for the client, across calls: a request that it asked for is
	// never withdrawn. A store that remembers only some attempts treats a
	// request with more of them alike.
	Attempt string
	Again   bool // the attempt asked before: on waking, on its heartbeat, after Again

	PlaceTTL  time.Duration // > 0: if not granted keep a place, which lapses after this long without another ask
	HeadStart time.Duration // in the queue: Priority × Config.PriorityBoost
	Deadlock  bool          // look for a deadlock if not granted (Config.DeadlockCheck); only with a PlaceTTL
	Quota     int           // > 0: at most so many leases and waiters of the holder, this one included, when it first arrives

	// Blockers asks for all that is in the way. Without it the store looks no
	// further than the first blocker: the reply has no Blockers, a Count of 0,
	// and a RetryAfter and Position that follow from that one alone.
	Blockers bool

	// NotAfter is the latest time, by the store's clock, at which this ask may
	// still be decided; zero: no bound. A copy of the ask that arrives later is
	// answered Late. An engine sets it less than lease.MinEndedRetention ahead:
	// a copy that arrives in time meets the request's end or its tombstone,
	// which no setting makes the store forget before that.
	NotAfter time.Time

	ConfigVersion uint64 // of the Config that the fields above were filled in from
}

// AcquireReply answers an ask.
type AcquireReply struct {
	Outcome   Outcome       // Done, Queued, Refused, Deadlocked, OverQuota, Mismatch, Withdrawn, Gone, Stale, Again, Late, BadParent
	Now       time.Time     // the store's clock in this step
	Lease     lease.Lease   // Done: the lease; Queued: the waiter, without a token
	Remaining time.Duration // Done: until the expiry, by the store's clock, now

	// Queued, Refused, Deadlocked: what is in the way.
	Blockers   []lease.Blocker // at most lease.MaxBlockers: leases first, then waiters in queue order
	Count      int             // of all blockers, capped at lease.MaxContention
	Position   int             // Queued: 1 + the earlier waiters that conflict with it, capped alike
	RetryAfter time.Duration   // until the latest end among the blockers
	Cycle      []string        // Deadlocked: the holders, the asker first

	End     End           // Gone
	Problem string        // BadParent: what is wrong, for people
	Config  *lease.Config // Stale: the current one
}

// RenewArgs asks for a later expiry (or, with TTL, any), for other labels, or for
// tokens.
type RenewArgs struct {
	Ref    lease.Ref
	TTL    time.Duration // 0: the lease's own, and never backwards
	MaxTTL time.Duration // cap of the lease's own TTL

	// Relabel asks for Labels in place of the lease's own. Then the expiry stays,
	// it is no renewal that counts, and TTL and MaxTTL mean nothing. Done has the
	// event KindRelabelled.
	Relabel bool
	Labels  map[string]string

	// Reserve > 0 asks for so many tokens that nobody else is given: newer than all
	// that were handed out or reserved before, older than all that will be. Nothing
	// else changes, and nothing but Ref and Reserve means anything. Repeated, it
	// reserves others.
	Reserve int

	// Op names this call and orders it: calls made later have a greater Op, as
	// text. The store keeps the greatest that was applied to the lease. The same
	// again is a repeat: it is answered as the first was, and changes nothing. A
	// smaller one was overtaken: so no late copy counts twice or moves an expiry
	// back.
	Op            string
	ConfigVersion uint64
}

// RenewReply answers a RenewArgs.
type RenewReply struct {
	Outcome   Outcome          // Done, Gone, LimitHit, TooLong, Stale, Overtaken
	Now       time.Time        // the store's clock in this step
	Lease     lease.Lease      // Done, Overtaken: as it now is
	Remaining time.Duration    // until the expiry, by the store's clock, now
	Op        string           // Overtaken: the greatest that was applied
	Tokens    lease.TokenBlock // Done, of Reserve: those that were reserved; Lease and Remaining are not set
	End       End
	Config    *lease.Config
}

// ReleaseArgs ends a lease, or gives up a place in line. A Token of 0 is any.
// With a place the attempts that have a part in it are over: each leaves a
// tombstone, as if it were withdrawn.
type ReleaseArgs struct {
	Ref lease.Ref
}

// ReleaseReply answers a ReleaseArgs. Releasing what this Ref released before
// is Done.
type ReleaseReply struct {
	Outcome Outcome // Done, Gone
	End     End
}

// WithdrawArgs takes back an attempt: its place in line, or its grant if that
// replaced nothing, unless another attempt has asked for the same request and
// has not been withdrawn. It leaves a tombstone for lease.MinEndedRetention, so
// that a late copy of the attempt can never be granted. Withdrawing again
// changes nothing.
type WithdrawArgs struct {
	ID      lease.ID
	Holder  string
	Attempt string
	Why     lease.EndReason // EndTimeout or EndCancelled
}

// WithdrawReply answers a WithdrawArgs.
type WithdrawReply struct {
	// Outcome is Done, or Refused if the attempt's grant stands because it
	// replaced a lease: then Lease and Remaining are that grant.
	Outcome   Outcome
	Lease     lease.Lease
	Remaining time.Duration
}

// ListReply is a page of what was asked for.
type ListReply struct {
	Leases []lease.Lease
	Now    time.Time // by the clock of the leases' dates: an active one lasts from then until its ExpiresAt [List/Remaining, Get/Remaining]
	Next   string    // the cursor of the next page; "" after the last one
}

// EventsArgs asks for up to Limit of the events after Query.After that
// [MatchesEvent] selects. [lease.Now] as After asks for none, and
// for the head.
type EventsArgs struct {
	Query lease.Query // its Limit is the engine's
	Limit int
}

// EventsReply is a page of the history.
type EventsReply struct {
	Events []lease.Event
	Next   lease.Seq     // how far the store looked, even without a match: the After of the next call
	Wait   time.Duration // before asking again, when nothing was found and there is no more
}

// ConfigReply is the configuration, and the store's clock when it was read.
type ConfigReply struct {
	Config lease.Config
	Now    time.Time

	// NoticesGone says that waiters whose process is gone lapse at once. Then
	// the places of calls that wait last for Config.WaiterTTL. Elsewhere they last
	// no longer than the request's TTL, since others stand behind a dead waiter
	// for so long.
	NoticesGone bool
}

// ForceArgs ends what the query selects, waiters included. Status and Limit of
// the query count too. With more than a few hundred selected, which of them a
// Limit or an Again leaves for later is the store's choice.
type ForceArgs struct {
	Query      lease.Query
	Revocation lease.Revocation
	Op         string // names this call: repeated, it ends no more, and is told the same [Force/Repeated]
	Again      bool   // an earlier call was answered Again: see ForceReply.Tree
}

// ForceReply answers a ForceArgs. Under Again, Leases are those that this call
// ended.
type ForceReply struct {
	Outcome Outcome // Done, Again, TreeOnly
	Leases  []lease.Lease

	// Tree is the claim in question of TreeOnly, which is decided before anything
	// is ended: such a lease that comes after an Again is left alone.
	Tree lease.Claim
}

// SweepReply answers Sweep.
type SweepReply struct {
	Result lease.SweepResult
	More   bool
}
