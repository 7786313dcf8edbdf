package view

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/leasekit/leasekit/lease"
)

// bar is one request on the time line: a wait, then a hold.
type bar struct {
	ID        lease.ID        `json:"id"`
	Path      string          `json:"path"`
	Claims    int             `json:"claims"`
	Mode      lease.Mode      `json:"mode"`
	CreatedAt time.Time       `json:"created_at"`          // the wait begins
	GrantedAt time.Time       `json:"granted_at,omitzero"` // the hold begins
	EndedAt   time.Time       `json:"ended_at,omitzero"`   // zero: not yet
	Why       lease.EndReason `json:"why,omitzero"`
}

// lane is a holder's bars.
type lane struct {
	Holder string `json:"holder"`
	Bars   []bar  `json:"bars"`
	More   int    `json:"more,omitzero"` // bars that are left out, the oldest ones
	last   time.Time
}

type timelineAnswer struct {
	head
	From  time.Time `json:"from"`           // where the window begins
	Known time.Time `json:"known,omitzero"` // before this, what has ended is not known; zero: all is
	Total int       `json:"total"`          // holders
	Lanes []lane    `json:"lanes"`          // the most recently active first
	Off   bool      `json:"history_off,omitzero"`
}

const (
	mostLanes = 200
	mostBars  = 200 // of a lane
)

// timeline serves what the holders did in the last minutes.
func (h *handler) timeline(r *http.Request) (any, error) {
	p := &parameters{r: r}
	seconds, limit := p.number("seconds", 300, 7200), p.number("limit", 60, mostLanes)
	f := filterOf(p)
	if p.err != nil {
		return nil, p.err
	}
	session, leave, err := h.feed.use(r.Context())
	if err != nil {
		return nil, err
	}
	defer leave()
	s := session.mirror.snapshot()
	records, after := session.mirror.past()
	config := session.mirror.configured()
	answer := timelineAnswer{head: s.head, From: s.Now.Add(-time.Duration(seconds) * time.Second), Lanes: []lane{}, Off: !config.History}
	answer.Known = session.mirror.knownSince(records, after, answer.From)

	lanes := map[string]*lane{}
	add := func(l *lease.Lease, ended time.Time) {
		begin := l.CreatedAt
		last := ended
		if ended.IsZero() {
			last = s.Now
		}
		if last.Before(answer.From) || !f.about(l) {
			return
		}
		if lanes[l.Holder] == nil {
			lanes[l.Holder] = &lane{Holder: l.Holder}
		}
		a := lanes[l.Holder]
		b := bar{ID: l.ID, Claims: len(l.Claims), CreatedAt: begin, GrantedAt: l.GrantedAt, EndedAt: ended, Why: l.EndReason}
		if len(l.Claims) > 0 {
			b.Path, b.Mode = shorten(l.Claims[0].Path), l.Claims[0].Mode
		}
		a.Bars = append(a.Bars, b)
		if last.After(a.last) {
			a.last = last
		}
	}
	for _, rec := range records {
		if ends(rec.event.Kind) {
			add(&rec.event.Lease, rec.event.At)
		}
	}
	for i := range s.active {
		add(s.active[i], time.Time{})
	}
	for i := range s.pending {
		add(s.pending[i], time.Time{})
	}
	answer.Total = len(lanes)
	all := make([]*lane, 0, len(lanes))
	for _, a := range lanes {
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b *lane) int {
		return cmp.Or(b.last.Compare(a.last), strings.Compare(a.Holder, b.Holder))
	})
	all = all[:min(len(all), limit)]
	slices.SortFunc(all, func(a, b *lane) int { return strings.Compare(a.Holder, b.Holder) })
	for _, a := range all {
		if a.More = len(a.Bars) - mostBars; a.More > 0 {
			a.Bars = a.Bars[a.More:]
		} else {
			a.More = 0
		}
		answer.Lanes = append(answer.Lanes, *a)
	}
	return answer, nil
}

// ends reports whether an event of this kind ends a lease or a wait.
func ends(k lease.Kind) bool {
	switch k {
	case lease.KindQueued, lease.KindGranted, lease.KindRenewed, lease.KindRelabelled, lease.KindConfig:
		return false
	}
	return true
}

func (m *mirror) configured() lease.Config {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.config
}

// knownSince is when the known events begin, or zero if that is before from.
func (m *mirror) knownSince(records []*record, after lease.Seq, from time.Time) time.Time {
	if after == 0 {
		return time.Time{}
	}
	if len(records) == 0 {
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.began
	}
	if at := records[0].event.At; at.After(from) {
		return at
	}
	return time.Time{}
}
