package mcpserver

import (
	"context"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/waits"
	"github.com/leasekit/leasekit/lease"
)

// check looks whether paths are free.
func (s *Server) check(ctx context.Context, r *mcp.CallToolRequest, in checkIn) (*mcp.CallToolResult, checkOut, error) {
	claims, err := s.claims(in.Paths, in.Shared)
	if err != nil {
		return nil, checkOut{}, failed(err)
	}
	snapshot, err := waits.TakeFor(ctx, s.store.Manager, claims)
	if err != nil {
		return nil, checkOut{}, failed(err)
	}
	holder := s.holderOf(r, in.Holder)
	out := checkOut{Free: true}
	for _, c := range claims {
		asker := waits.Asker{Holder: holder, Claims: []lease.Claim{c}}
		row := checked{Path: c.String(), State: "free", Waiters: snapshot.Place(asker) - 1}
		if blockers := snapshot.InTheWay(asker); len(blockers) > 0 {
			out.Free = false
			l := blockers[0].Lease
			row.State, row.Holder, row.Reason = "queued", cut(l.Holder), reason(l)
			if l.Status == lease.Active {
				row.State, row.Until = "held", clock(l.ExpiresAt)
			}
		} else if l, ok := own(snapshot, holder, c); ok {
			row.State, row.Holder, row.Until, row.Reason = "mine", cut(l.Holder), clock(l.ExpiresAt), reason(l)
		}
		out.Paths = append(out.Paths, row)
	}
	return nil, out, nil
}

// own returns the holder's lease that covers a claim, and false if there is none.
func own(s waits.Snapshot, holder string, asked lease.Claim) (lease.Lease, bool) {
	for _, l := range s.Active {
		if l.Holder != holder {
			continue
		}
		for _, held := range l.Claims {
			deep := asked.Scope == lease.Exact || held.Scope == lease.Tree
			if deep && lease.Covers(held, asked.Path) && (asked.Mode == lease.Shared || held.Mode == lease.Exclusive) {
				return l, true
			}
		}
	}
	return lease.Lease{}, false
}

// who says who holds a path, and who waits for it.
func (s *Server) who(ctx context.Context, _ *mcp.CallToolRequest, in whoIn) (*mcp.CallToolResult, whoOut, error) {
	claims, err := s.claims([]string{in.Path}, false)
	if err != nil {
		return nil, whoOut{}, failed(err)
	}
	snapshot, err := waits.Take(ctx, s.store.Manager, waits.Around(claims)...)
	if err != nil {
		return nil, whoOut{}, failed(err)
	}
	out := whoOut{Path: claims[0].String()}
	out.Holders, out.Waiters, out.More = entries(snapshot)
	return nil, out, nil
}

// entries are what a snapshot shows, up to mostShown of each.
func entries(s waits.Snapshot) (holders, waiters []entry, more bool) {
	all := func(leases []lease.Lease) []entry {
		shown := make([]entry, 0, min(len(leases), mostShown))
		for _, l := range leases[:min(len(leases), mostShown)] {
			shown = append(shown, entryOf(l))
		}
		return shown
	}
	return all(s.Active), all(s.Waiting), len(s.Active) > mostShown || len(s.Waiting) > mostShown
}

func entryOf(l lease.Lease) entry {
	e := entry{
		ID: string(l.ID), Holder: cut(l.Holder), Paths: texts(l.Claims), Waiting: l.Status == lease.Pending,
		Since: clock(l.GrantedAt), Until: clock(l.ExpiresAt), Reason: reason(l), Branch: cut(l.Labels[labelBranch]),
	}
	if e.Waiting {
		e.Since = clock(l.CreatedAt)
	}
	return e
}
