package view

import "net/http"

// mostEdges is how much of a group is told; a group may be the whole queue.
const mostEdges = 300

// waitsAnswer is who waits for whom.
type waitsAnswer struct {
	head
	Total     int     `json:"total"` // groups
	Deadlocks int     `json:"deadlocks"`
	Offset    int     `json:"offset"`
	Groups    []waits `json:"groups"`
	// Truncated: there was more to compare than a look may cost.
	Truncated bool `json:"truncated,omitzero"`
}

// waits is a group as far as it is told.
type waits struct {
	group
	Holders int `json:"holders"` // of the whole group
	Blocked int `json:"blocked"` // edges of the whole group
}

// waits serves who waits for whom, deadlocks and then the longest chain first.
func (h *handler) waits(r *http.Request) (any, error) {
	p := &parameters{r: r}
	offset, limit := p.number("offset", 0, 1_000_000), p.number("limit", 20, 100)
	if p.err != nil {
		return nil, p.err
	}
	session, leave, err := h.feed.use(r.Context())
	if err != nil {
		return nil, err
	}
	defer leave()
	s := session.mirror.snapshot()
	g := s.graph()
	answer := waitsAnswer{head: s.head, Total: len(g.groups), Offset: offset, Groups: []waits{}, Truncated: !g.whole}
	for _, group := range g.groups {
		if group.Cycle {
			answer.Deadlocks++
		}
	}
	for _, group := range g.groups[min(offset, len(g.groups)):min(offset+limit, len(g.groups))] {
		w := waits{group: group, Holders: len(group.Nodes), Blocked: len(group.Edges)}
		w.Nodes = w.Nodes[:min(len(w.Nodes), mostEdges)]
		w.Edges = nil
		for _, e := range group.Edges[:min(len(group.Edges), mostEdges)] {
			e.Asked.Path, e.Held.Path = shorten(e.Asked.Path), shorten(e.Held.Path)
			w.Edges = append(w.Edges, e)
		}
		answer.Groups = append(answer.Groups, w)
	}
	return answer, nil
}
