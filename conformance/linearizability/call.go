package linearizability

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/conformance/internal/model"
	"github.com/leasekit/leasekit/lease"
)

// call is one call of a store: one of the fields is set. It survives JSON, so
// that another process can make it.
type call struct {
	Acquire  *backend.AcquireArgs  `json:",omitempty"`
	Renew    *backend.RenewArgs    `json:",omitempty"`
	Release  *backend.ReleaseArgs  `json:",omitempty"`
	Withdraw *backend.WithdrawArgs `json:",omitempty"`
	Force    *backend.ForceArgs    `json:",omitempty"`
	List     *lease.Query          `json:",omitempty"`
}

// answer is a reply without its times. Tokens are compared by their order only:
// they stand beside the text, in the order in which the leases occur in it.
type answer struct {
	Text   string
	Tokens []lease.Token `json:",omitempty"`
	Ref    lease.Ref     `json:",omitzero"`  // of the lease that was granted
	Cycle  []string      `json:",omitempty"` // of a deadlock
	Pages  int           `json:",omitempty"` // of a list: with several it is not of one moment

	unknown bool // the call failed: it may have been done, or be done later
}

// on makes the call.
func (c call) on(ctx context.Context, s backend.Store) (answer, error) {
	switch {
	case c.Acquire != nil:
		return told(acquired)(s.Acquire(ctx, *c.Acquire))
	case c.Renew != nil:
		return told(renewed)(s.Renew(ctx, *c.Renew))
	case c.Release != nil:
		return told(released)(s.Release(ctx, *c.Release))
	case c.Withdraw != nil:
		return told(withdrawn)(s.Withdraw(ctx, *c.Withdraw))
	case c.Force != nil:
		return told(forced)(s.Force(ctx, *c.Force))
	}
	var all []lease.Lease
	for pages, cursor := 1, ""; ; pages++ {
		page, err := s.List(ctx, *c.List, cursor)
		if err != nil {
			return answer{}, err
		}
		all = append(all, page.Leases...)
		if cursor = page.Next; cursor == "" {
			a := listed(all)
			a.Pages = pages
			return a, nil
		}
	}
}

// told turns a reply that came without an error into an answer.
func told[T any](text func(T) answer) func(T, error) (answer, error) {
	return func(reply T, err error) (answer, error) {
		if err != nil {
			return answer{}, err
		}
		return text(reply), nil
	}
}

// onModel makes the call of the model.
func (c call) onModel(m *model.Model) answer {
	switch {
	case c.Acquire != nil:
		return acquired(m.Acquire(*c.Acquire))
	case c.Renew != nil:
		return renewed(m.Renew(*c.Renew))
	case c.Release != nil:
		return released(m.Release(*c.Release))
	case c.Withdraw != nil:
		return withdrawn(m.Withdraw(*c.Withdraw))
	case c.Force != nil:
		return forced(m.Force(*c.Force))
	}
	return listed(m.List(*c.List))
}

func acquired(r backend.AcquireReply) answer {
	a := answer{Text: model.Outcomes[r.Outcome] + ended(r.End), Cycle: r.Cycle}
	switch r.Outcome {
	case backend.Done:
		a.add(r.Lease)
		a.Ref = r.Lease.Ref()
	case backend.Queued:
		if r.Count > 0 { // else it follows from one blocker alone, of the store's choice
			a.Text += fmt.Sprintf(" at %d", r.Position)
		}
		a.add(r.Lease)
	}
	if r.Count > 0 {
		blockers := make([]string, len(r.Blockers))
		for i, b := range r.Blockers {
			blockers[i] = fmt.Sprintf("%s of %s, waiting %t", b.ID, b.Holder, b.Waiting)
		}
		slices.Sort(blockers)
		a.Text += fmt.Sprintf(", blocked by %d: %s", r.Count, strings.Join(blockers, "; "))
	}
	return a
}

func renewed(r backend.RenewReply) answer {
	a := answer{Text: model.Outcomes[r.Outcome] + ended(r.End) + " " + r.Op}
	if r.Outcome == backend.Done || r.Outcome == backend.Overtaken {
		a.add(r.Lease)
	}
	return a
}

func released(r backend.ReleaseReply) answer {
	return answer{Text: model.Outcomes[r.Outcome] + ended(r.End)}
}

func withdrawn(r backend.WithdrawReply) answer {
	a := answer{Text: model.Outcomes[r.Outcome]}
	if r.Outcome == backend.Refused {
		a.add(r.Lease)
	}
	return a
}

func forced(r backend.ForceReply) answer {
	a := answer{Text: model.Outcomes[r.Outcome]}
	if r.Outcome != backend.TreeOnly { // which tree it names is the store's choice
		for _, l := range r.Leases {
			a.add(l)
		}
	}
	return a
}

func listed(all []lease.Lease) answer {
	a := answer{Text: fmt.Sprintf("%d listed", len(all))}
	for _, l := range all {
		a.add(l)
	}
	return a
}

// add adds a lease to the text.
func (a *answer) add(l lease.Lease) {
	a.Text += fmt.Sprintf("\n    %s of %s %v %s %s, %d renewals, replaced %q by %q, under %q, revoked %q, %d wait, priority %d",
		l.ID, l.Holder, l.Claims, l.Status, l.EndReason, l.Renewals, l.Replaced, l.ReplacedBy, l.Parent, l.Revoked.Actor,
		l.Contention.Waiters, l.Contention.Priority)
	a.Tokens = append(a.Tokens, l.Token)
}

func ended(e backend.End) string {
	if e.Err == nil {
		return ""
	}
	return fmt.Sprintf(": %v, successor %q, by %q: %q", e.Err, e.Successor, e.Actor, e.Reason)
}

// String tells the call for people.
func (c call) String() string {
	switch {
	case c.Acquire != nil:
		a, r := c.Acquire, c.Acquire.Request
		text := fmt.Sprintf("Acquire %s for %s %v, attempt %q, again %t, place %v", r.ID, r.Holder, r.Claims, a.Attempt, a.Again, a.PlaceTTL)
		if r.Distinct {
			text += ", distinct"
		}
		if r.Replace.ID != "" {
			text += fmt.Sprintf(", replace %s (%d)", r.Replace.ID, r.Replace.Token)
		}
		if r.Parent.ID != "" {
			text += fmt.Sprintf(", under %s (%d)", r.Parent.ID, r.Parent.Token)
		}
		return text
	case c.Renew != nil:
		return fmt.Sprintf("Renew %s of %s (%d), op %s", c.Renew.Ref.ID, c.Renew.Ref.Holder, c.Renew.Ref.Token, c.Renew.Op)
	case c.Release != nil:
		return fmt.Sprintf("Release %s of %s (%d)", c.Release.Ref.ID, c.Release.Ref.Holder, c.Release.Ref.Token)
	case c.Withdraw != nil:
		return fmt.Sprintf("Withdraw %s of %s, attempt %q", c.Withdraw.ID, c.Withdraw.Holder, c.Withdraw.Attempt)
	case c.Force != nil:
		return fmt.Sprintf("Force %s, op %s", queryText(c.Force.Query), c.Force.Op)
	}
	return "List " + queryText(*c.List)
}

func queryText(q lease.Query) string {
	return fmt.Sprintf("ID %q, holder %q, path %q, under %q, status %v", q.ID, q.Holder, q.Path, q.Under, q.Status)
}

// String tells the answer for people.
func (a answer) String() string {
	if a.unknown {
		return "unknown"
	}
	return fmt.Sprintf("%s; tokens %d", a.Text, a.Tokens)
}
