package view

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/leasekit/leasekit/lease"
)

// contended is how much a path was waited for. A request of several claims
// counts for each of them: which of them it waited for is not recorded.
type contended struct {
	Path    string  `json:"path"`
	Waiting int     `json:"waiting"`      // now
	Waits   int     `json:"waits"`        // that ended since From
	Waited  float64 `json:"wait_seconds"` // those together, and what the waiters of now have waited
	Longest float64 `json:"longest_seconds"`
	Grants  int     `json:"grants"`
	Gave    int     `json:"gave_up"` // waits that ended without a grant
}

// busy is a holder and what it has.
type busy struct {
	Holder  string    `json:"holder"`
	Held    int       `json:"held"`
	Waiting int       `json:"waiting"`
	Blocks  int       `json:"blocks"` // requests that its leases block
	Since   time.Time `json:"since"`  // of its oldest lease
}

type hotAnswer struct {
	head
	From    time.Time   `json:"from"` // what has ended is counted since then
	Paths   []contended `json:"paths"`
	Holds   []row       `json:"holds"`   // held for longest
	Waits   []row       `json:"waits"`   // waiting for longest
	Holders []busy      `json:"holders"` // those that block most
}

// hot serves the most contended paths, and the longest holds and waits.
func (h *handler) hot(r *http.Request) (any, error) {
	p := &parameters{r: r}
	seconds, limit := p.number("seconds", 900, 7200), p.number("limit", 15, 200)
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
	answer := hotAnswer{head: s.head, From: s.Now.Add(-time.Duration(seconds) * time.Second), Holds: []row{}, Waits: []row{}}
	if known := session.mirror.knownSince(records, after, answer.From); known.After(answer.From) {
		answer.From = known
	}
	answer.Paths = contendedPaths(s, records, answer.From, limit)
	answer.Holders = busiest(s, limit)
	rows := slices.Clone(s.lists())
	slices.SortStableFunc(rows, func(a, b *row) int { return a.Since.Compare(b.Since) })
	for _, full := range rows {
		r := full.short()
		switch {
		case r.Kind == "lease" && len(answer.Holds) < limit:
			answer.Holds = append(answer.Holds, r)
		case r.Kind == "waiter" && len(answer.Waits) < limit:
			answer.Waits = append(answer.Waits, r)
		}
	}
	return answer, nil
}

func contendedPaths(s *snapshot, records []*record, from time.Time, limit int) []contended {
	paths := map[string]*contended{}
	at := func(path string) *contended {
		if paths[path] == nil {
			paths[path] = &contended{Path: path}
		}
		return paths[path]
	}
	wait := func(c *contended, d time.Duration) {
		c.Waited += d.Seconds()
		c.Longest = max(c.Longest, d.Seconds())
	}
	for _, rec := range records {
		l := &rec.event.Lease
		granted := rec.event.Kind == lease.KindGranted
		gaveUp := ends(rec.event.Kind) && l.GrantedAt.IsZero()
		if rec.event.At.Before(from) || !granted && !gaveUp {
			continue
		}
		for _, c := range l.Claims {
			path := at(c.Path)
			switch {
			case gaveUp:
				path.Gave++
				path.Waits++
				wait(path, rec.event.At.Sub(l.CreatedAt))
			case l.Waited > 0:
				path.Grants++
				path.Waits++
				wait(path, l.Waited)
			default:
				path.Grants++
			}
		}
	}
	for i := range s.pending {
		for _, c := range s.pending[i].Claims {
			path := at(c.Path)
			path.Waiting++
			wait(path, s.Now.Sub(s.pending[i].CreatedAt))
		}
	}
	all := []contended{}
	for _, c := range paths {
		if c.Waits+c.Waiting > 0 {
			all = append(all, *c)
		}
	}
	slices.SortFunc(all, func(a, b contended) int {
		return cmp.Or(cmp.Compare(b.Waited, a.Waited), strings.Compare(a.Path, b.Path))
	})
	all = all[:min(len(all), limit)]
	for i := range all {
		all[i].Path = shorten(all[i].Path)
	}
	return all
}

func busiest(s *snapshot, limit int) []busy {
	holders := map[string]*busy{}
	at := func(holder string) *busy {
		if holders[holder] == nil {
			holders[holder] = &busy{Holder: holder}
		}
		return holders[holder]
	}
	for i := range s.active {
		l := s.active[i]
		b := at(l.Holder)
		b.Held++
		b.Blocks += s.graph().waiters[l.ID]
		if b.Since.IsZero() || l.GrantedAt.Before(b.Since) {
			b.Since = l.GrantedAt
		}
	}
	for i := range s.pending {
		at(s.pending[i].Holder).Waiting++
	}
	all := []busy{}
	for _, b := range holders {
		all = append(all, *b)
	}
	slices.SortFunc(all, func(a, b busy) int {
		return cmp.Or(cmp.Compare(b.Blocks, a.Blocks), cmp.Compare(b.Held, a.Held), strings.Compare(a.Holder, b.Holder))
	})
	return all[:min(len(all), limit)]
}
