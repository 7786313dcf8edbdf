package view

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/leasekit/leasekit/lease"
)

// row is a line of the list or of the tree.
type row struct {
	Kind string `json:"kind"` // "lease", "waiter", or "dir"
	Path string `json:"path"` // of the claim, or of the directory
	Name string `json:"name"` // what the line shows of it

	// Of a lease or waiter.
	ID        lease.ID          `json:"id,omitzero"`
	Holder    string            `json:"holder,omitzero"`
	Mode      lease.Mode        `json:"mode"`
	Scope     lease.Scope       `json:"scope"`
	Claims    int               `json:"claims,omitzero"` // of the whole lease
	Since     time.Time         `json:"since,omitzero"`  // of the grant; of a waiter, its arrival
	ExpiresAt time.Time         `json:"expires_at,omitzero"`
	TTL       float64           `json:"ttl_seconds,omitzero"`
	Waiters   int               `json:"waiters,omitzero"`  // requests that this lease blocks
	Position  int               `json:"position,omitzero"` // in line
	Priority  int               `json:"priority,omitzero"`
	Cycle     bool              `json:"cycle,omitzero"`
	Labels    map[string]string `json:"labels,omitempty"`

	// Of a line of the tree.
	Depth    int  `json:"depth"`
	Open     bool `json:"open,omitzero"`
	Held     int  `json:"held,omitzero"`    // claims at or below
	Waiting  int  `json:"waiting,omitzero"` // likewise
	search   string
	unsorted int // where it stands by age
}

// claimed is a row for each claim, in the order of the tree.
type claimed = row

// lists are the rows of the list, one for each lease and waiter.
type lists struct{ rows []row }

// rowOf makes the row of a lease or waiter, showing one of its claims.
func rowOf(s *snapshot, l *lease.Lease, c lease.Claim, position int) row {
	r := row{
		Kind: "lease", Path: c.Path, Name: c.Path, ID: l.ID, Holder: l.Holder, Mode: c.Mode, Scope: c.Scope, Claims: len(l.Claims),
		Since: l.GrantedAt, ExpiresAt: l.ExpiresAt, TTL: l.TTL.Seconds(), Priority: l.Priority, Labels: someLabels(l.Labels),
	}
	if l.Status == lease.Pending {
		// When a place lapses is no event: what is known of it is old.
		r.Kind, r.Since, r.ExpiresAt = "waiter", l.CreatedAt, time.Time{}
		r.Position = position
	} else {
		r.Waiters = s.graph().waiters[l.ID]
	}
	return r
}

// someLabels are as many labels as a line has room for.
func someLabels(all map[string]string) map[string]string {
	const most = 4
	if len(all) <= most {
		short := true
		for k, v := range all {
			short = short && len(k)+len(v) < 200
		}
		if short {
			return all
		}
	}
	some := map[string]string{}
	for _, k := range sortedKeys(all) {
		if len(some) < most {
			some[shorten(k)] = shorten(all[k])
		}
	}
	return some
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// text is what a search looks at.
func text(l *lease.Lease, path string) string {
	var b strings.Builder
	for _, part := range []string{path, l.Holder, string(l.ID)} {
		b.WriteString(strings.ToLower(part))
		b.WriteByte('\n')
	}
	for _, k := range sortedKeys(l.Labels) {
		b.WriteString(strings.ToLower(k + "=" + l.Labels[k]))
		b.WriteByte('\n')
	}
	return b.String()
}

func claimsOf(s *snapshot) []claimed {
	var rows []row
	add := func(l *lease.Lease, position int) {
		searched := text(l, "")
		for _, c := range l.Claims {
			r := rowOf(s, l, c, position)
			r.search = strings.ToLower(c.Path) + "\n" + searched
			r.unsorted = len(rows)
			rows = append(rows, r)
		}
	}
	for i := range s.active {
		add(&s.active[i], 0)
	}
	for i := range s.pending {
		add(&s.pending[i], s.graph().position[i])
	}
	slices.SortFunc(rows, func(a, b row) int {
		return cmp.Or(comparePaths(a.Path, b.Path), cmp.Compare(a.unsorted, b.unsorted))
	})
	return rows
}

func newLists(s *snapshot) *lists {
	all := &lists{}
	add := func(l *lease.Lease, position int) {
		var c lease.Claim
		var paths []string
		for _, claim := range l.Claims {
			paths = append(paths, claim.Path)
		}
		if len(l.Claims) > 0 {
			c = l.Claims[0]
		}
		r := rowOf(s, l, c, position)
		r.search = text(l, strings.Join(paths, "\n"))
		r.unsorted = len(all.rows)
		all.rows = append(all.rows, r)
	}
	for i := range s.active {
		add(&s.active[i], 0)
	}
	for i := range s.pending {
		add(&s.pending[i], s.graph().position[i])
	}
	return all
}

// filter is what a viewer wants to see.
type filter struct {
	words  []string // all must be found
	state  string   // "all", "held", "waiting", "blocking"
	holder string
}

func filterOf(p *parameters) filter {
	return filter{
		words:  strings.Fields(strings.ToLower(p.text("q"))),
		state:  p.one("state", "all", "held", "waiting", "blocking"),
		holder: p.text("holder"),
	}
}

func (f filter) empty() bool { return len(f.words) == 0 && f.state == "all" && f.holder == "" }

func (f filter) pass(r *row) bool {
	switch {
	case f.state == "held" && r.Kind != "lease", f.state == "waiting" && r.Kind != "waiter",
		f.state == "blocking" && r.Waiters == 0, f.holder != "" && f.holder != r.Holder:
		return false
	}
	for _, w := range f.words {
		if !strings.Contains(r.search, w) {
			return false
		}
	}
	return true
}

func (f filter) of(rows []row) []row {
	if f.empty() {
		return rows
	}
	var passed []row
	for i := range rows {
		if f.pass(&rows[i]) {
			passed = append(passed, rows[i])
		}
	}
	return passed
}

// orders are how the list may be sorted; each is made total by age.
var orders = map[string]func(a, b *row) int{
	"path":    func(a, b *row) int { return comparePaths(a.Path, b.Path) },
	"holder":  func(a, b *row) int { return strings.Compare(a.Holder, b.Holder) },
	"since":   func(a, b *row) int { return a.Since.Compare(b.Since) },
	"waiters": func(a, b *row) int { return cmp.Compare(b.Waiters, a.Waiters) },
	"expires": func(a, b *row) int {
		return cmp.Or(compareBool(a.ExpiresAt.IsZero(), b.ExpiresAt.IsZero()), a.ExpiresAt.Compare(b.ExpiresAt))
	},
}

// nowAnswer is a window of the list or the tree.
type nowAnswer struct {
	head
	Total  int   `json:"total"` // lines, all windows together
	Offset int   `json:"offset"`
	Rows   []row `json:"rows"`
}

const mostRows = 500

// now serves the leases and waiters there are, as a tree or as a list.
func (h *handler) now(r *http.Request) (any, error) {
	p := &parameters{r: r}
	f := filterOf(p)
	form := p.one("view", "tree", "list")
	order := p.one("sort", "path", "holder", "since", "expires", "waiters")
	reverse := p.one("order", "up", "down") == "down"
	offset, limit := p.number("offset", 0, 10_000_000), p.number("limit", 100, mostRows)
	opened, shut := p.paths("open"), p.paths("shut")
	if p.err != nil {
		return nil, p.err
	}
	session, leave, err := h.feed.use(r.Context())
	if err != nil {
		return nil, err
	}
	defer leave()
	s := session.mirror.snapshot()
	answer := nowAnswer{head: s.head, Offset: offset, Rows: []row{}}
	if form == "tree" {
		t := tree{rows: f.of(s.claims()), opened: opened, shut: shut, all: !f.empty(), from: offset, to: offset + limit}
		t.walk()
		answer.Total, answer.Rows = t.count, append(answer.Rows, t.window...)
		return answer, nil
	}
	rows := slices.Clone(f.of(s.lists().rows))
	slices.SortStableFunc(rows, func(a, b row) int {
		c := orders[order](&a, &b)
		if reverse {
			return -c
		}
		return c
	})
	answer.Total = len(rows)
	rows = rows[min(offset, len(rows)):min(offset+limit, len(rows))]
	for _, r := range rows {
		r.Path, r.Name = shorten(r.Path), shorten(r.Name)
		answer.Rows = append(answer.Rows, r)
	}
	return answer, nil
}
