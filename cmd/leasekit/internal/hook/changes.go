package hook

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/open"
	"github.com/leasekit/leasekit/lease"
)

// historyTime bounds how long the history is asked about who wrote a file.
const historyTime = 2 * time.Second

// changedUnderYou looks whether another session has written a file since this
// one last read or wrote it. That is told once: the session holds the file now,
// and may write it after it has looked.
func (c *caller) changedUnderYou(ctx context.Context, one *claimed) (string, error) {
	if len(one.state.Seen) == 0 {
		return "", nil
	}
	var texts []string
	now := make(map[string]fingerprint)
	for path, name := range one.place.files {
		old, ok := one.state.Seen[path]
		p := fingerprintOf(name)
		if !ok || old.same(p) {
			continue
		}
		now[path] = p
		who, err := c.whoWrote(ctx, one, path, old.At)
		if err != nil {
			return "", err
		}
		if who != "" {
			texts = append(texts, who)
		}
	}
	if len(now) == 0 {
		return "", nil
	}
	err := c.update(one.place.location, func(s *state) {
		for path, p := range now {
			s.see(path, p)
		}
	})
	if err != nil || len(texts) == 0 {
		// Without a note of it this would be told again and again.
		return "", err
	}
	slices.Sort(texts)
	return "leasekit: changed under you, nothing was written yet:\n" + strings.Join(texts, "") +
		"You hold it now, and nobody else writes it. Read it again, then make your change to what is there now. This is told once: the same call passes next time.", nil
}

// whoWrote asks the history who had an exclusive claim on a path since a time.
// It is empty if nobody but this session had, as far as the history goes back.
func (c *caller) whoWrote(ctx context.Context, one *claimed, path string, since time.Time) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, historyTime)
	defer cancel()
	last, err := c.lastWriter(ctx, one.store, path, since)
	switch {
	case ctx.Err() != nil, errors.Is(err, lease.ErrTrimmed):
		return "", nil // a long history; the file's own content tells
	case err != nil || last.Seq == 0:
		return "", err
	}
	l := last.Lease
	text := fmt.Sprintf("- %s was written by %s", shown(path), cut(l.Holder, 120))
	for _, pair := range [][2]string{{labelBranch, "branch"}, {labelPrompt, "task"}} {
		if v := l.Labels[pair[0]]; v != "" {
			text += fmt.Sprintf(", %s %q", pair[1], cut(v, 80))
		}
	}
	return text + fmt.Sprintf(", which held it from %s; you last saw it at %s.\n", clock(l.GrantedAt), clock(since)), nil
}

// firstWindow is how many of the newest events are looked at first.
const firstWindow = 512

// lastWriter returns the newest event since a time of a lease by which somebody
// else may have written a path, and the zero Event if there is none. What it
// reads is in proportion to what has happened since, not to the history's length:
// windows of growing size, the newest first.
func (c *caller) lastWriter(ctx context.Context, m lease.Manager, path string, since time.Time) (lease.Event, error) {
	stats, err := m.Stats(ctx)
	if err != nil || stats.Head == 0 || stats.Oldest == 0 {
		return lease.Event{}, err
	}
	start := stats.Oldest - 1
	for high, size := stats.Head, lease.Seq(firstWindow); high > start; size *= 4 {
		low := start
		if high-start > size {
			low = high - size
		}
		last, err := c.lastWriterIn(ctx, m, path, since, low, high)
		if err != nil || last.Seq > 0 {
			return last, err
		}
		for first, err := range m.History(ctx, lease.Query{After: low, Limit: 1}) {
			if err != nil || first.At.Before(since) {
				return lease.Event{}, err
			}
		}
		high = low
	}
	return lease.Event{}, nil
}

// lastWriterIn looks at the events in (low, high].
func (c *caller) lastWriterIn(ctx context.Context, m lease.Manager, path string, since time.Time, low, high lease.Seq) (lease.Event, error) {
	var last lease.Event
	kinds := []lease.Kind{lease.KindGranted, lease.KindReleased, lease.KindExpired, lease.KindRevoked, lease.KindRenewed}
	for e, err := range m.History(ctx, lease.Query{Path: path, Kinds: kinds, After: low}) {
		if err != nil {
			return lease.Event{}, err
		}
		if e.Seq > high {
			break
		}
		if !e.At.Before(since) && !c.own(e.Lease.Holder) && writes(e.Lease, path) {
			last = e
		}
	}
	return last, nil
}

// own reports whether a holder is this session or one of its sub-agents.
func (c *caller) own(holder string) bool {
	session, _, _ := strings.Cut(holder, "/")
	return session == c.session()
}

func writes(l lease.Lease, path string) bool {
	return slices.ContainsFunc(l.Claims, func(claim lease.Claim) bool { return claim.Mode == lease.Exclusive && lease.Covers(claim, path) })
}

// maxOthers bounds how many leases of others are looked at after a command.
const maxOthers = 2000

// changedBehindBack looks whether files that others hold have changed while a
// shell command ran, of which it was not known what it would write.
func (c *caller) changedBehindBack(ctx context.Context, l open.Location, start started, places []*place) (string, error) {
	store, err := c.open(ctx, l)
	if err != nil {
		return "", err
	}
	claimedHere := make(map[string]bool)
	for _, p := range places {
		for path := range p.files {
			claimedHere[path] = true
		}
	}
	var texts []string
	for other, err := range store.List(ctx, lease.Query{Status: []lease.Status{lease.Active}, Limit: maxOthers}) {
		if err != nil {
			return "", err
		}
		if c.own(other.Holder) {
			continue
		}
		for _, claim := range other.Claims {
			name, ok := fileOf(l, claim.Path)
			if !ok || claim.Scope != lease.Exact || claim.Mode != lease.Exclusive || claimedHere[claim.Path] {
				continue
			}
			if changedSince(name, start.At) && !c.explained(l, other.Holder, claim.Path, name) {
				texts = append(texts, fmt.Sprintf("- %s, held by %s until %s\n", shown(claim.Path), cut(other.Holder, 120), clock(other.ExpiresAt)))
			}
		}
	}
	if len(texts) == 0 {
		return "", nil
	}
	slices.Sort(texts)
	return "leasekit: while this command ran, files changed that other sessions hold:\n" + strings.Join(texts, "") +
		"If your command changed them, undo exactly that, and tell the user. If it did not, another program did.", nil
}

// changedSince reports whether a file's content or its entry has changed since
// a time. File systems count time in steps, so a step back is allowed for.
func changedSince(name string, at time.Time) bool {
	info, err := os.Stat(name)
	if err != nil {
		return false
	}
	at = at.Add(-10 * time.Millisecond)
	return info.ModTime().After(at) || changeTime(info).After(at)
}

// explained reports whether the holder itself has written the file: its own
// hook has seen this content, or is waiting for its tool right now.
func (c *caller) explained(l open.Location, holder, path, name string) bool {
	session, _, _ := strings.Cut(holder, "/")
	other := loadState(stateFile(stateDir(l, c.env.Getenv), session), session)
	if seen, ok := other.Seen[path]; ok && seen.same(fingerprintOf(name)) {
		return true
	}
	for _, call := range other.Calls {
		if slices.Contains(call.Paths, path) {
			return true
		}
	}
	return false
}
