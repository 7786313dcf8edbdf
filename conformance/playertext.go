package conformance

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/conformance/internal/model"
	"github.com/leasekit/leasekit/lease"
)

// The texts by which replies and histories are compared. They leave out what
// may differ: tokens (but for their order), the places of events in the history
// (but for the order of those that are no ends), and a few milliseconds.

// at returns a moment in half steps since the start; in real time only whether
// there is one.
func (p *player) at(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	if p.h.fixture.RealTime {
		return "sometime"
	}
	return fmt.Sprintf("@%d", p.halves(t.Sub(p.start)))
}

func (p *player) halves(d time.Duration) int64 { return int64(d.Round(step/2) / (step / 2)) }

// in is at for a duration.
func (p *player) in(d time.Duration) string {
	if p.h.fixture.RealTime {
		return "some"
	}
	return fmt.Sprintf("%d", p.halves(d))
}

func (p *player) leaseText(l lease.Lease) string {
	if l.EndReason == lease.EndExpired && l.Token == 0 {
		l.ExpiresAt = time.Time{} // of a waiter whose parent has expired: see orphaned
	}
	return fmt.Sprintf("%s %s %v %s %s ttl %v, %d of %d renewals, priority %d, distinct %t, labels %v, replaced %q%s, created %s, granted %s, until %s, waited %s, contention %d %d %s",
		l.ID, l.Holder, l.Claims, l.Status, l.EndReason, l.TTL, l.Renewals, l.MaxRenewals, l.Priority, l.Distinct, l.Labels, l.Replaced, successorText(l),
		p.at(l.CreatedAt), p.at(l.GrantedAt), p.at(l.ExpiresAt), p.in(l.Waited),
		l.Contention.Waiters, l.Contention.Priority, p.at(l.Contention.Since))
}

func successorText(l lease.Lease) string {
	return fmt.Sprintf(" by %q, under %q, revoked %+v", l.ReplacedBy, l.Parent, l.Revoked)
}

func endText(e backend.End) string {
	if e.Err == nil {
		return ""
	}
	return fmt.Sprintf(": %v, successor %q, by %q: %q", e.Err, e.Successor, e.Actor, e.Reason)
}

func (p *player) acquireText(r backend.AcquireReply) string {
	text := model.Outcomes[r.Outcome] + endText(r.End)
	switch r.Outcome {
	case backend.Done:
		text += " " + p.leaseText(r.Lease) + " remaining " + p.in(r.Remaining)
	case backend.Queued:
		if r.Count < lease.MaxContention {
			text += fmt.Sprintf(" at %d", r.Position)
		}
		text += " " + p.leaseText(r.Lease)
	}
	switch {
	case r.Count == lease.MaxContention: // which of them it looks at is the store's choice
		text += fmt.Sprintf(", blocked by %d or more", r.Count)
	case r.Count > 0:
		blockers := make([]string, len(r.Blockers))
		for n, b := range r.Blockers {
			blockers[n] = fmt.Sprintf("%s %s waiting %t until %s", b.ID, b.Holder, b.Waiting, p.at(b.ExpiresAt))
		}
		slices.Sort(blockers)
		text += fmt.Sprintf(", retry after %s, blocked by %d: %s", p.in(r.RetryAfter), r.Count, strings.Join(blockers, "; "))
	}
	return text
}

func (p *player) renewText(r backend.RenewReply) string {
	text := model.Outcomes[r.Outcome] + endText(r.End)
	if r.Outcome == backend.Done {
		text += " " + p.leaseText(r.Lease) + " remaining " + p.in(r.Remaining)
	}
	return text
}

// historyText returns a history line by line.
func (p *player) historyText(events []lease.Event) []string {
	var tokens []lease.Token
	for _, e := range events {
		if e.Kind == lease.KindGranted {
			tokens = append(tokens, e.Lease.Token)
		}
	}
	slices.Sort(tokens)
	type entry struct {
		at   int64
		end  bool
		text string
	}
	entries := make([]entry, len(events))
	for n, e := range events {
		rank := slices.Index(tokens, e.Lease.Token) + 1
		l := e.Lease
		entries[n] = entry{
			at:  p.halves(e.At.Sub(p.start)),
			end: e.Kind == lease.KindExpired || e.Kind == lease.KindLapsed || orphaned(e),
			text: fmt.Sprintf("%s %s %s %s %v %s, token %d, %d renewals, distinct %t, replaced %q%s, by %q: %q, created %s, granted %s",
				p.at(e.At), e.Kind, l.ID, l.Holder, l.Claims, l.EndReason, rank, l.Renewals, l.Distinct, l.Replaced, successorText(l),
				e.Actor, e.Reason, p.at(l.CreatedAt), p.at(l.GrantedAt)),
		}
		if orphaned(e) {
			entries[n].at = never
		}
		if e.Kind == lease.KindRelabelled {
			entries[n].text += fmt.Sprintf(", labels %v", l.Labels)
		}
		if e.Kind == lease.KindRenewed {
			entries[n].text += ", until " + p.at(l.ExpiresAt)
		}
	}
	if !p.h.fixture.RealTime {
		slices.SortStableFunc(entries, func(a, b entry) int {
			if order := cmp.Compare(a.at, b.at); order != 0 || !a.end || !b.end {
				return order
			}
			return strings.Compare(a.text, b.text)
		})
	}
	lines := make([]string, len(entries))
	for n, e := range entries {
		lines[n] = e.text
	}
	return lines
}

// orphaned tells of a waiter whose parent has expired. Within a step, stores find
// that out when they come across it.
func orphaned(e lease.Event) bool {
	return e.Kind == lease.KindWithdrawn && e.Lease.EndReason == lease.EndExpired
}

// difference shows where two lines begin to differ, and so much of them that
// people find the place.
func difference(store, expected string) string {
	n := 0
	for n < len(store) && n < len(expected) && store[n] == expected[n] {
		n++
	}
	from, before := max(0, n-300), ""
	if from > 0 {
		before = "... "
	}
	part := func(s string) string {
		if end := n + 300; end < len(s) {
			return before + s[from:end] + " ..."
		}
		return before + s[from:]
	}
	return fmt.Sprintf("  the store: %s\n  expected:  %s\n  %s^ they differ from here on", part(store), part(expected),
		strings.Repeat(" ", len("expected:  ")+len(before)+n-from))
}
