package mcpserver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/leasekit/leasekit/lease"
)

// claim asks once.
func (s *Server) claim(ctx context.Context, r *mcp.CallToolRequest, in claimIn) (*mcp.CallToolResult, claimOut, error) {
	claims, err := s.claims(in.Paths, in.Shared)
	if err != nil {
		return nil, claimOut{}, failed(err)
	}
	request := lease.Request{
		ID: lease.NewID(), Holder: s.holderOf(r, in.Holder), Claims: claims, TTL: defaultTTL, Labels: labels(in.Reason),
	}
	if in.TTL != 0 {
		request.TTL = time.Duration(in.TTL) * time.Second
	}
	if in.Queue == nil || *in.Queue {
		request.QueueTTL = keepPlace
	}
	l, err := s.store.TryAcquire(ctx, request)
	if errors.Is(err, lease.ErrDisabled) && request.QueueTTL > 0 { // waiting is switched off
		request.QueueTTL = 0
		l, err = s.store.TryAcquire(ctx, request)
	}
	out, err := s.answer(ctx, request, l, err)
	return nil, out, err
}

// wait asks again for what a place in line is for, until the turn comes or the
// time is over. The place is the client's, and outlives this call.
func (s *Server) wait(ctx context.Context, _ *mcp.CallToolRequest, in waitIn) (*mcp.CallToolResult, claimOut, error) {
	ref, err := parseHandle(in.Handle)
	if err != nil {
		return nil, claimOut{}, failed(err)
	}
	limit := time.Duration(in.Seconds) * time.Second
	if limit == 0 {
		limit = defaultWait
	}
	if limit < 0 || limit > longestWait {
		return nil, claimOut{}, failed(lease.Invalid("wait_seconds", "%d, want 1 to %v", in.Seconds, longestWait.Seconds()))
	}
	place, err := s.place(ctx, ref)
	if err != nil {
		return nil, claimOut{}, failed(err)
	}
	request := lease.Request{
		ID: place.ID, Holder: place.Holder, Claims: place.Claims, TTL: place.TTL, MaxRenewals: place.MaxRenewals,
		Priority: place.Priority, Distinct: place.Distinct, Labels: place.Labels, Timeout: limit,
	}
	l, err := s.store.Acquire(ctx, request)
	if err != nil && errors.Is(err, lease.ErrConflict) && !errors.Is(err, lease.ErrDeadlock) {
		// The turn has not come, or the caller has gone: the place is kept for the
		// next call.
		keep := request
		keep.Timeout, keep.QueueTTL = 0, keepPlace
		l, err = s.store.TryAcquire(context.WithoutCancel(ctx), keep)
	}
	out, err := s.answer(ctx, request, l, err)
	return nil, out, err
}

// place returns what is in line, or the lease that it has become.
func (s *Server) place(ctx context.Context, ref lease.Ref) (lease.Lease, error) {
	l, err := s.store.Get(ctx, ref.ID)
	switch {
	case err != nil:
		return lease.Lease{}, err
	case l.Holder != ref.Holder, ref.Token != 0 && ref.Token != l.Token:
		return lease.Lease{}, &lease.LostError{Op: "wait", Ref: ref, Err: lease.ErrNotHolder}
	case l.EndReason == lease.EndLapsed:
		return lease.Lease{}, fmt.Errorf("the place in line has lapsed, since wait_turn was not called for %v; call claim_paths again: %w", keepPlace,
			&lease.LostError{Op: "wait", Ref: ref, Err: lease.ErrExpired})
	case l.Status.Ended():
		return lease.Lease{}, &lease.LostError{Op: "wait", Ref: ref, Err: cmp.Or(ends[l.EndReason], lease.ErrNotFound), Actor: l.Revoked.Actor, Reason: l.Revoked.Reason}
	}
	return l, nil
}

// ends are the errors of what has ended: to ask again would be to stand in line
// anew.
var ends = map[lease.EndReason]error{
	lease.EndReleased: lease.ErrReleased, lease.EndCancelled: lease.ErrReleased, lease.EndTimeout: lease.ErrReleased,
	lease.EndDeadlock: lease.ErrReleased, lease.EndExpired: lease.ErrExpired, lease.EndRevoked: lease.ErrRevoked,
	lease.EndReplaced: lease.ErrReplaced, lease.EndTransferred: lease.ErrReplaced,
}

// answer says what became of a request: granted and conflict are results, all
// else is an error.
func (s *Server) answer(ctx context.Context, r lease.Request, l lease.Lease, err error) (claimOut, error) {
	out := claimOut{Holder: r.Holder, Paths: texts(r.Claims)}
	if err == nil {
		out.Granted, out.Handle = true, handleOf(l.Ref())
		out.ExpiresAt, out.ExpiresIn = clock(l.ExpiresAt), secondsLeft(l)
		out.Waited = l.Waited.Seconds()
		out.Next = fmt.Sprintf("Write the files, then release_paths. The lease ends in %v unless extend_claim extends it.", time.Duration(out.ExpiresIn)*time.Second)
		return out, nil
	}
	conflict, ok := errors.AsType[*lease.ConflictError](err)
	if !ok || conflict.Err != nil && !errors.Is(err, lease.ErrDeadlock) {
		return claimOut{}, failed(err)
	}
	out.Blockers, out.Position = conflict.Count, conflict.Position
	for _, b := range conflict.Blockers {
		out.InTheWay = append(out.InTheWay, s.describe(ctx, b))
	}
	switch {
	case errors.Is(err, lease.ErrDeadlock):
		out.Next = fmt.Sprintf("Refused: waiting would be for ever, since these wait for each other: %s. Release what you hold, then claim everything you need in one call.",
			strings.Join(conflict.Cycle, ", "))
	case conflict.Position > 0:
		out.Handle = handleOf(lease.Ref{ID: r.ID, Holder: r.Holder})
		out.ExpiresAt, out.ExpiresIn = clock(time.Now().Add(keepPlace)), int(keepPlace.Seconds())
		out.Next = fmt.Sprintf("Refused: do not write these files. You have place %d in line, kept for %v: call wait_turn with this handle, or release_paths to give it up.",
			conflict.Position, keepPlace)
	default:
		out.Next = "Refused: do not write these files. Work on something else and claim them again later."
	}
	return out, nil
}

// describe says who is in the way.
func (s *Server) describe(ctx context.Context, b lease.Blocker) blocker {
	out := blocker{
		Path: b.Asked.String(), Held: b.Held.String(), Holder: cut(b.Holder), Waiting: b.Waiting, Until: clock(b.ExpiresAt),
	}
	if l, err := s.store.Get(ctx, b.ID); err == nil { // else it has just ended
		out.Reason = reason(l)
	}
	return out
}

// claims turns file names into claims.
func (s *Server) claims(names []string, shared bool) ([]lease.Claim, error) {
	if len(names) == 0 {
		return nil, lease.Invalid("paths", "none given")
	}
	claims := make([]lease.Claim, 0, len(names))
	for _, name := range names {
		path, err := s.store.Path(name)
		if err != nil {
			return nil, err
		}
		c := lease.Claim{Path: path}
		if strings.HasSuffix(name, "/") {
			c.Scope = lease.Tree
		}
		if shared {
			c.Mode = lease.Shared
		}
		claims = append(claims, c)
	}
	return claims, nil
}

// The labels of the server's leases, those of the hook among them.
const (
	labelBy     = "by"
	labelReason = "reason"
	labelPrompt = "prompt"
	labelBranch = "branch"
	labelPID    = "pid"
)

func labels(reason string) map[string]string {
	labels := map[string]string{labelBy: "mcp", labelPID: strconv.Itoa(os.Getpid())}
	if reason != "" {
		labels[labelReason] = cut(reason)
	}
	return labels
}

// reason is what a lease is for, as its holder said.
func reason(l lease.Lease) string {
	if r := l.Labels[labelReason]; r != "" {
		return cut(r)
	}
	return cut(l.Labels[labelPrompt])
}

// cut shortens a text that somebody else wrote, to one line.
func cut(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > mostText {
		s = strings.ToValidUTF8(s[:mostText], "") + "..."
	}
	return s
}

func texts(claims []lease.Claim) []string {
	all := make([]string, len(claims))
	for i, c := range claims {
		all[i] = c.String()
	}
	return all
}

func clock(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// secondsLeft is how long a lease lasts for its holder, in whole seconds.
func secondsLeft(l lease.Lease) int { return int(l.Remaining().Seconds()) }
