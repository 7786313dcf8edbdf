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
	Depth   int  `json:"depth"`
	Open    bool `json:"open,omitzero"`
	Held    int  `json:"held,omitzero"`    // claims at or below
	Waiting int  `json:"waiting,omitzero"` // likewise
	lease   *lease.Lease
	whole   bool // it stands for all claims of the lease
}

// rowOf makes the row of a lease or waiter, showing one of its claims.
func rowOf(s *snapshot, l *lease.Lease, c lease.Claim, position int) *row {
	r := &row{
		lease: l,
		Kind:  "lease", Path: c.Path, Name: c.Path, ID: l.ID, Holder: l.Holder, Mode: c.Mode, Scope: c.Scope, Claims: len(l.Claims),
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

// text is what a search looks at: all of a lease, or of a row what it shows.
func text(l *lease.Lease, paths ...string) string {
	if len(paths) == 0 {
		for _, c := range l.Claims {
			paths = append(paths, c.Path)
		}
	}
	var b strings.Builder
	for _, part := range append(paths, l.Holder, string(l.ID)) {
		b.WriteString(part)
		b.WriteByte('\n')
	}
	for _, k := range sortedKeys(l.Labels) {
		b.WriteString(k)
		b.WriteByte('=')
		b.WriteString(l.Labels[k])
		b.WriteByte('\n')
	}
	return strings.ToLower(b.String())
}

// eachOf calls add for each lease, by age, and then each waiter, by its place.
func eachOf(s *snapshot, add func(l *lease.Lease, position int)) {
	for _, l := range s.active {
		add(l, 0)
	}
	for i, l := range s.pending {
		add(l, s.graph().position[i])
	}
}

// claimsOf makes a row for each claim, in the order of the tree.
func claimsOf(s *snapshot) []*row {
	var rows []*row
	eachOf(s, func(l *lease.Lease, position int) {
		for _, c := range l.Claims {
			rows = append(rows, rowOf(s, l, c, position))
		}
	})
	slices.SortStableFunc(rows, func(a, b *row) int { return comparePaths(a.Path, b.Path) })
	return rows
}

// listOf makes a row for each lease and waiter.
func listOf(s *snapshot) []*row {
	var rows []*row
	eachOf(s, func(l *lease.Lease, position int) {
		r := summary(s, l, position)
		r.whole = true
		rows = append(rows, r)
	})
	return rows
}

// summary is a lease's row, with the first of its claims.
func summary(s *snapshot, l *lease.Lease, position int) *row {
	var c lease.Claim
	if len(l.Claims) > 0 {
		c = l.Claims[0]
	}
	return rowOf(s, l, c, position)
}

// short is a copy of the row with a path that a line has room for.
func (r *row) short() row {
	short := *r
	short.Path, short.Name = shorten(r.Path), shorten(r.Name)
	return short
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
	if len(f.words) == 0 {
		return true
	}
	if r.whole {
		return f.found(text(r.lease))
	}
	return f.found(text(r.lease, r.Path))
}

// found reports whether a text has all the words.
func (f filter) found(text string) bool {
	for _, w := range f.words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

// about is pass for a lease that may have ended: its state does not count.
func (f filter) about(l *lease.Lease) bool {
	return (f.holder == "" || f.holder == l.Holder) && (len(f.words) == 0 || f.found(text(l)))
}

func (f filter) of(rows []*row) []*row {
	if f.empty() {
		return rows
	}
	var passed []*row
	for _, r := range rows {
		if f.pass(r) {
			passed = append(passed, r)
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

// inOrder returns the rows, which are by age, in another order.
func inOrder(rows []*row, order string, reverse bool) []*row {
	rows = slices.Clone(rows)
	slices.SortStableFunc(rows, func(a, b *row) int {
		c := orders[order](a, b)
		if reverse {
			return -c
		}
		return c
	})
	return rows
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
	var rows []*row
	if order == "path" && !reverse {
		rows = f.of(s.sorted())
	} else {
		rows = inOrder(f.of(s.lists()), order, reverse)
	}
	answer.Total = len(rows)
	rows = rows[min(offset, len(rows)):min(offset+limit, len(rows))]
	for _, r := range rows {
		answer.Rows = append(answer.Rows, r.short())
	}
	return answer, nil
}
