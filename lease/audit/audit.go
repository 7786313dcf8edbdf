// Package audit replays a history and proves from it that the rules were kept:
// that no two conflicting leases overlapped in time, that tokens rose, that the
// order of the queue was kept, that nothing happened to what had ended. It works
// on what [lease.Inspector] History yields, of a test or of production, and
// trusts nothing else.
//
//	report, err := audit.Replay(m.History(ctx, lease.Query{All: true}), nil)
//	if err == nil {
//		err = report.Err()
//	}
//
// What a history does not tell is not judged: refusals and heartbeats of
// waiters. Where that leaves a doubt, the store has the benefit of it.
package audit

import (
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/leasekit/leasekit/lease"
)

// Rule names a rule that a history can break.
type Rule string

// The rules.
const (
	// Overlap: two conflicting leases were active at once, of different holders
	// or of one holder where the newer is Distinct.
	Overlap Rule = "overlap"
	// Tokens: each grant's token is higher than all before it, and a lease keeps
	// its token.
	Tokens Rule = "tokens"
	// Sequence: Seq rises by one.
	Sequence Rule = "sequence"
	// Kinds: an event is of a kind that package lease names.
	Kinds Rule = "kinds"
	// Clock: At does not run backwards, except that expired and lapsed are dated
	// at the deadline, which has come by then.
	Clock Rule = "clock"
	// Lifetime: a lease lasts for its TTL from its grant on, or to the end of its
	// parent (or of the lease that a delegate lies under: [lease.ReasonCovered]), or
	// for the time in which a waiter in another process must confirm it; and a
	// renewal's expiry lies ahead.
	Lifetime Rule = "lifetime"
	// Unknown: nothing happens to a lease that was never granted, or to a place
	// in line that was never taken.
	Unknown Rule = "unknown"
	// Ended: nothing happens after the end, and an end is recorded once.
	Ended Rule = "ended"
	// Unrecorded: a grant that steps over what has expired records that end
	// first.
	Unrecorded Rule = "unrecorded"
	// Twice: what is active is not granted again, what waits is not queued again.
	Twice Rule = "twice"
	// Changed: a request keeps its holder, its claims and its arrival.
	Changed Rule = "changed"
	// Order: nobody is granted what an earlier waiter waits for, unless that
	// waiter waits for it.
	Order Rule = "order"
	// Renewals: a lease is renewed at most MaxRenewals times.
	Renewals Rule = "renewals"
	// Replacement: a lease is replaced by exactly one grant that names it, in
	// the same step, and transferred if the holders differ. Such a grant is never
	// withdrawn.
	Replacement Rule = "replacement"
)

// Rules returns all rules.
func Rules() []Rule {
	return []Rule{
		Overlap, Tokens, Sequence, Kinds, Clock, Lifetime, Unknown, Ended, Unrecorded, Twice, Changed, Order,
		Renewals, Replacement,
	}
}

// Violation is one rule broken at one event.
type Violation struct {
	Rule  Rule      `json:"rule"`
	Seq   lease.Seq `json:"seq"`            // the event that broke it
	Other lease.Seq `json:"other,omitzero"` // the event that it contradicts, if there is one
	ID    lease.ID  `json:"id,omitempty"`   // the request that the event is about
	Text  string    `json:"text"`           // what is wrong, for people
}

// String returns the violation in one line.
func (v Violation) String() string {
	return fmt.Sprintf("event %d breaks %q: %s", v.Seq, v.Rule, v.Text)
}

// Report is what a replay found.
type Report struct {
	Violations []Violation // in order of the events that broke the rules
	Summary    Summary
}

// Err returns nil if no rule was broken, else an error with one line for each
// violation.
func (r Report) Err() error {
	var all []error
	for _, v := range r.Violations {
		all = append(all, errors.New("audit: "+v.String()))
	}
	return errors.Join(all...)
}

// Broke reports whether the rule was broken.
func (r Report) Broke(rule Rule) bool {
	return slices.ContainsFunc(r.Violations, func(v Violation) bool { return v.Rule == rule })
}

// Options change what is judged. Nil means the defaults.
type Options struct {
	// Partial says that the history does not begin at the namespace's
	// beginning: what it says about requests from before is believed.
	Partial bool

	// Config is the namespace's configuration, of which PriorityBoost decides
	// the order of the queue; nil means [lease.DefaultConfig]. A history does
	// not tell what earlier configurations were: of requests that arrived
	// before its last config event only those without a priority are judged.
	Config *lease.Config
}

// Replay judges a history, which must be whole from its first event on (all
// kinds, all holders, tokens shown: [lease.Query.All]) and recorded without a
// pause. Renewals may be missing (Config.HistoryRenewals). The error is the
// iterator's; the report is then about the events before it.
func Replay(history iter.Seq2[lease.Event, error], o *Options) (Report, error) {
	if o == nil {
		o = &Options{}
	}
	boost := lease.DefaultConfig().PriorityBoost
	if o.Config != nil {
		boost = o.Config.PriorityBoost
	}
	r := newReplay(o.Partial, boost)
	for e, err := range history {
		if err != nil {
			return r.finish(), err
		}
		r.event(e)
	}
	return r.finish(), nil
}

// Events returns an iterator over recorded events, for Replay.
func Events(events []lease.Event) iter.Seq2[lease.Event, error] {
	return func(yield func(lease.Event, error) bool) {
		for _, e := range events {
			if !yield(e, nil) {
				return
			}
		}
	}
}
