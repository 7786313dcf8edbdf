package hook

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/hosts"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/open"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/shellwrites"
	"github.com/leasekit/leasekit/lease"
)

// The labels of a hook's leases.
const (
	labelBy      = "by"
	labelHost    = "host"
	labelSession = "session"
	labelAgent   = "agent"
	labelBranch  = "branch"
	labelPID     = "pid"
	labelPrompt  = "prompt"
	labelMachine = "machine"
	byHook       = "hook"
)

// labels tell people and other sessions who holds a lease, and what for.
func (c *caller) labels(l open.Location, s state) map[string]string {
	labels := map[string]string{
		labelBy: byHook, labelHost: string(c.call.Host), labelSession: cut(c.call.Session, 100), labelPID: strconv.Itoa(c.hostProcess()),
	}
	machine, _ := os.Hostname()
	for name, value := range map[string]string{labelMachine: machine, labelAgent: cut(c.call.Agent, 100), labelBranch: branch(l), labelPrompt: s.Prompt} {
		if value != "" {
			labels[name] = value
		}
	}
	return labels
}

// branch returns the work tree's branch, or the first digits of the commit.
func branch(l open.Location) string {
	if l.Git == nil {
		return ""
	}
	b, err := os.ReadFile(filepath.Join(l.Git.Dir, "HEAD"))
	if err != nil || len(b) > 4096 {
		return ""
	}
	head := strings.TrimSpace(string(b))
	if name, ok := strings.CutPrefix(head, "ref: refs/heads/"); ok {
		return cut(name, 100)
	}
	return cut(head, 12)
}

// firstWords returns the beginning of a prompt, on one line.
func firstWords(prompt string) string { return cut(strings.Join(strings.Fields(prompt), " "), 80) }

// cut shortens a text for people. It holds nothing that moves a terminal's
// cursor.
func cut(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, s)
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}

// shown is a path for people: quoted if it has anything odd.
func shown(path string) string {
	switch {
	case isGitPath(path):
		return "git's index and HEAD of this work tree"
	case strings.IndexFunc(path, func(r rune) bool { return !unicode.IsPrint(r) }) >= 0:
		return strconv.Quote(path)
	}
	return path
}

func isGitPath(path string) bool {
	for _, name := range []string{shellwrites.GitIndex, shellwrites.GitHead, "@git"} {
		if path == name || strings.HasSuffix(path, "/"+name) {
			return true
		}
	}
	return false
}

// refusal says in words that a model can act on what is held, by whom, since
// when, what for, until when, how many wait, and what to do.
func (c *caller) refusal(ctx context.Context, m lease.Inspector, p *place, conflict *lease.ConflictError) string {
	var b strings.Builder
	if len(conflict.Blockers) == 0 {
		return "leasekit: refused: " + conflict.Error()
	}
	first := conflict.Blockers[0]
	fmt.Fprintf(&b, "leasekit: refused, nothing was written: %s.\n", c.inTheWay(first))
	details := make(map[lease.ID]bool)
	for _, blocker := range conflict.Blockers {
		if details[blocker.ID] || len(details) == 3 {
			continue
		}
		details[blocker.ID] = true
		b.WriteString(c.describe(ctx, m, blocker))
	}
	if more := conflict.Count - len(details); more > 0 {
		fmt.Fprintf(&b, "- and %d more in the way.\n", more)
	}
	if len(conflict.Cycle) > 0 {
		fmt.Fprintf(&b, "To wait would be for ever: these wait for each other: %s. End your turn, so that your own files become free.\n", strings.Join(conflict.Cycle, ", "))
		return b.String()
	}
	if conflict.Position > 0 {
		fmt.Fprintf(&b, "You have place %d in line, kept for %v: repeat the same call to go on waiting.\n", conflict.Position, keepPlace)
	}
	name := c.argument(p, first.Asked)
	fmt.Fprintf(&b, "Do not write it in another way, such as by a shell command. Work on something else and try again later, or wait until it is free: leasekit run -w 5m %s -- true\nTo see who holds it now: leasekit who %s", name, name)
	if c.call.Host == hosts.Codex {
		b.WriteString("\nIf your sandbox keeps that command from the git directory, repeat this call later instead.")
	}
	return b.String()
}

func (c *caller) inTheWay(b lease.Blocker) string {
	switch {
	case isGitPath(b.Asked.Path):
		return "another session is using " + shown(b.Asked.Path)
	case b.Asked.Scope == lease.Tree:
		return fmt.Sprintf("this call would change everything below %s, where another session is writing %s", shown(b.Asked.Path), shown(b.Held.Path))
	case b.Waiting:
		return shown(b.Asked.Path) + " is waited for by another session, which came first"
	case c.call.Agent == "" && strings.HasPrefix(b.Holder, c.session()+"/"):
		return shown(b.Asked.Path) + " is being written by your own sub-agent"
	}
	return shown(b.Asked.Path) + " is being written by another session"
}

// describe says who is in the way, since when, what for, and until when.
func (c *caller) describe(ctx context.Context, m lease.Inspector, b lease.Blocker) string {
	var s strings.Builder
	fmt.Fprintf(&s, "- %s", cut(b.Holder, 120))
	l, err := m.Get(ctx, b.ID)
	if err != nil { // it has just ended, or the time is up: what the conflict says will do
		fmt.Fprintf(&s, ", until %s.\n", clock(b.ExpiresAt))
		return s.String()
	}
	for _, pair := range [][2]string{{labelBranch, "branch"}, {labelPID, "process"}, {labelPrompt, "task"}, {"reason", "reason"}} {
		if v := l.Labels[pair[0]]; v != "" {
			if pair[0] == labelPrompt {
				v = strconv.Quote(cut(v, 80))
			}
			fmt.Fprintf(&s, ", %s %s", pair[1], cut(v, 100))
		}
	}
	if b.Waiting {
		fmt.Fprintf(&s, ", waiting since %s.\n", clock(l.CreatedAt))
		return s.String()
	}
	fmt.Fprintf(&s, ", since %s", clock(l.GrantedAt))
	if left := l.Remaining().Round(time.Second); left > 0 {
		fmt.Fprintf(&s, ", until %s (%v from now) unless it goes on", clock(l.ExpiresAt), left)
	}
	if n := l.Contention.Waiters; n > 0 {
		fmt.Fprintf(&s, "; %d in line for it", n)
	}
	s.WriteString(".\n")
	return s.String()
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05") + " UTC" }

// argument is a claim as an argument of our command in the session's shell.
func (c *caller) argument(p *place, claim lease.Claim) string {
	name, raw := claim.Path, true
	if full, ok := p.files[claim.Path]; ok && !isGitPath(claim.Path) {
		name, raw = full, false
		if rel, err := filepath.Rel(c.dir, full); err == nil && !strings.HasPrefix(rel, "..") {
			name = rel
		}
	} else if full, ok := fileOf(p.location, claim.Path); ok {
		name, raw = full, false
	}
	quoted := quote(name)
	switch {
	case raw:
		quoted = "--raw " + quoted
	case strings.HasPrefix(name, "-"):
		quoted = "./" + quoted
	}
	return quoted
}

// quote makes a word of a text for a POSIX shell.
func quote(s string) string {
	plain := func(r rune) bool {
		return r < 0x80 && (unicode.IsLetter(r) || unicode.IsDigit(r)) || strings.ContainsRune("/._-+@%:,", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
