package audit

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/leasekit/leasekit/lease"
)

// Summary counts what happened in a history.
type Summary struct {
	Events      int                `json:"events"`
	Kinds       map[lease.Kind]int `json:"kinds"` // events of each kind
	First       time.Time          `json:"first,omitzero"`
	Last        time.Time          `json:"last,omitzero"`
	Holders     int                `json:"holders"`                // that were granted something
	Grants      map[string]int     `json:"grants"`                 // for each of them
	Waited      int                `json:"waited"`                 // grants that had waited in line
	TakeOvers   int                `json:"take_overs"`             // grants of what another holder's expired lease had held
	MostWaiting int                `json:"most_waiting,omitempty"` // the longest the queue was
	MostActive  int                `json:"most_active,omitempty"`  // the most leases at once

	WaitP50, WaitP99, WaitMax time.Duration // of the grants that had waited in line, from arrival to grant
	HoldP50, HoldP99, HoldMax time.Duration // of the leases that ended, from grant to end
}

// String returns the summary in a few lines, for people.
func (s Summary) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d events in %v: %d grants to %d holders, at most %d at once\n",
		s.Events, s.Last.Sub(s.First).Round(time.Millisecond), s.Kinds[lease.KindGranted], s.Holders, s.MostActive)
	fmt.Fprintf(&b, "waited in line   %d of them, at most %d at once; p50 %v, p99 %v, longest %v\n",
		s.Waited, s.MostWaiting, s.WaitP50, s.WaitP99, s.WaitMax)
	fmt.Fprintf(&b, "held             p50 %v, p99 %v, longest %v\n", s.HoldP50, s.HoldP99, s.HoldMax)
	fmt.Fprintf(&b, "taken over       %d after their holder's lease had expired\n", s.TakeOvers)
	b.WriteString("ended           ")
	for _, k := range []lease.Kind{
		lease.KindReleased, lease.KindExpired, lease.KindRevoked, lease.KindReplaced,
		lease.KindTransferred, lease.KindWithdrawn, lease.KindLapsed,
	} {
		if n := s.Kinds[k]; n > 0 {
			fmt.Fprintf(&b, " %d %s", n, k)
		}
	}
	return b.String() + "\n"
}

// tally collects a Summary.
type tally struct {
	s               Summary
	waits, holds    []time.Duration
	active, waiting int
	expired         *index // leases that expired and were not taken since
}

func newTally() tally {
	return tally{s: Summary{Kinds: map[lease.Kind]int{}, Grants: map[string]int{}}, expired: newIndex()}
}

func (t *tally) count(e lease.Event) {
	t.s.Events++
	t.s.Kinds[e.Kind]++
	if t.s.First.IsZero() || e.At.Before(t.s.First) {
		t.s.First = e.At
	}
	if e.At.After(t.s.Last) {
		t.s.Last = e.At
	}
}

func (t *tally) queued() {
	t.waiting++
	t.s.MostWaiting = max(t.s.MostWaiting, t.waiting)
}

// adopted counts a lease from before the first event.
func (t *tally) adopted() { t.active++ }

func (t *tally) granted(e lease.Event, l *life, waited bool) {
	t.s.Grants[l.holder]++
	t.active++
	t.s.MostActive = max(t.s.MostActive, t.active)
	if waited {
		t.waiting--
		t.s.Waited++
		t.waits = append(t.waits, e.At.Sub(l.arrived))
	}
	over := false
	for _, old := range t.expired.conflicting(l.claims) {
		over = over || old.holder != l.holder
		t.expired.remove(old)
	}
	if over {
		t.s.TakeOvers++
	}
}

func (t *tally) ended(e lease.Event, l *life) {
	if !l.active {
		t.waiting--
		return
	}
	t.active--
	if !l.granted.IsZero() {
		t.holds = append(t.holds, e.At.Sub(l.granted))
	}
	if e.Kind == lease.KindExpired {
		t.expired.add(l)
	}
}

func (t *tally) summary() Summary {
	s := t.s
	s.Holders = len(s.Grants)
	s.WaitP50, s.WaitP99, s.WaitMax = percentiles(t.waits)
	s.HoldP50, s.HoldP99, s.HoldMax = percentiles(t.holds)
	return s
}

func percentiles(ds []time.Duration) (p50, p99, longest time.Duration) {
	if len(ds) == 0 {
		return 0, 0, 0
	}
	slices.Sort(ds)
	at := func(percent int) time.Duration { return ds[(len(ds)-1)*percent/100] }
	return at(50), at(99), ds[len(ds)-1]
}
