package hook

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/open"
	"github.com/leasekit/leasekit/lease"
)

// state is what a session remembers between the calls of its hook: a file
// beside the store. To lose it costs a few questions to the store and a notice
// of what changed, never a wrong answer.
type state struct {
	Holder string                 `json:"holder"`           // the session's
	Prompt string                 `json:"prompt,omitempty"` // the first words of the newest one
	Epoch  int                    `json:"epoch,omitempty"`  // ends of turns; a part of the requests' IDs
	Held   []held                 `json:"held,omitempty"`   // by the session and its sub-agents
	Seen   map[string]fingerprint `json:"seen,omitempty"`   // files as the session last read or wrote them, by path
	Calls  map[string]started     `json:"calls,omitempty"`  // tools under way, by call
}

// held is a lease that a call of the hook has acquired.
type held struct {
	Ref        lease.Ref     `json:"ref"`
	Claims     []lease.Claim `json:"claims"`
	Call       string        `json:"call"`
	Brief      bool          `json:"brief,omitempty"`      // some of it only while the call lasts
	Background bool          `json:"background,omitempty"` // the call goes on after its end
	Expires    time.Time     `json:"expires"`              // about, by this machine's clock
}

// started is a tool that has begun.
type started struct {
	At    time.Time `json:"at"`
	Paths []string  `json:"paths,omitempty"`
}

// fingerprint tells one content of a file from another without reading it. The
// zero fingerprint is a file that is not there.
type fingerprint struct {
	Size     int64     `json:"size,omitempty"`
	Modified time.Time `json:"modified,omitzero"`
	At       time.Time `json:"at"` // when it was taken
}

func (p fingerprint) same(q fingerprint) bool {
	return p.Size == q.Size && p.Modified.Equal(q.Modified)
}

// fingerprintOf takes a file's fingerprint now.
func fingerprintOf(name string) fingerprint {
	p := fingerprint{At: time.Now().Round(0)}
	if info, err := os.Stat(name); err == nil {
		p.Size, p.Modified = info.Size(), info.ModTime()
	}
	return p
}

const (
	maxSeen  = 2000          // files that a session remembers
	maxCalls = 64            // tools under way
	maxState = 4 << 20       // bytes of a state file that are read
	keepCall = 2 * time.Hour // a tool that has begun and never ended is forgotten after
)

// stateDir returns the folder for the sessions' files that belongs to a store.
func stateDir(l open.Location, getenv func(string) string) string {
	switch file, sqlite := open.File(l.URL); {
	case l.Git != nil:
		return filepath.Join(l.Git.Common, "leasekit", "sessions")
	case sqlite:
		return file + "-sessions"
	}
	if dir := getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "leasekit", "sessions")
	}
	return filepath.Join(getenv("HOME"), ".local", "state", "leasekit", "sessions")
}

// stateFile returns the file of a holder's session.
func stateFile(dir, holder string) string {
	session, _, _ := strings.Cut(holder, "/")
	sum := sha256.Sum256([]byte(session))
	return filepath.Join(dir, hex.EncodeToString(sum[:12])+".json")
}

// loadState reads a session's file. One that is missing or damaged is empty.
func loadState(file, session string) state {
	s := state{Holder: session}
	f, err := os.Open(file)
	if err != nil {
		return s
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() || info.Size() > maxState {
		return s
	}
	var read state
	if json.NewDecoder(f).Decode(&read) == nil && read.Holder == session {
		return read
	}
	return s
}

// updateState changes a session's file while no other call of the session does.
func updateState(file, session string, change func(*state)) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	unlock, err := lockFile(filepath.Join(filepath.Dir(file), "lock"))
	if err != nil {
		return err
	}
	defer unlock()
	s := loadState(file, session)
	change(&s)
	s.prune()
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	// A rename: who reads meanwhile sees the old file or the new one.
	temporary := file + ".new"
	if err := os.WriteFile(temporary, b, 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, file)
}

// prune forgets what is of no use any more.
func (s *state) prune() {
	now := time.Now()
	s.Held = slices.DeleteFunc(s.Held, func(h held) bool { return now.After(h.Expires.Add(time.Minute)) })
	for call, c := range s.Calls {
		if now.Sub(c.At) > keepCall {
			delete(s.Calls, call)
		}
	}
	oldest(s.Calls, maxCalls, func(c started) time.Time { return c.At })
	oldest(s.Seen, maxSeen, func(p fingerprint) time.Time { return p.At })
}

// oldest removes the oldest entries beyond a number.
func oldest[V any](m map[string]V, most int, at func(V) time.Time) {
	if len(m) <= most {
		return
	}
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return at(m[a]).Compare(at(m[b])) })
	for _, name := range names[:len(m)-most] {
		delete(m, name)
	}
}

func (s *state) see(path string, p fingerprint) {
	if s.Seen == nil {
		s.Seen = make(map[string]fingerprint)
	}
	s.Seen[path] = p
}

func (s *state) start(call string, c started) {
	if s.Calls == nil {
		s.Calls = make(map[string]started)
	}
	s.Calls[call] = c
}

// keep remembers a lease, in the place of an older copy of it.
func (s *state) keep(h held) {
	s.drop(h.Ref.ID)
	s.Held = append(s.Held, h)
}

func (s *state) drop(id lease.ID) {
	s.Held = slices.DeleteFunc(s.Held, func(h held) bool { return h.Ref.ID == id })
}

// removeState forgets a session that has ended.
func removeState(file string) error {
	if err := os.Remove(file); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// staleAfter is how long a session's file is kept that ended without a word.
const staleAfter = 7 * 24 * time.Hour

// removeStale forgets the sessions that have said nothing for long.
func removeStale(dir string) {
	entries, _ := os.ReadDir(dir) // what cannot be read is not removed
	for _, e := range entries {
		if info, err := e.Info(); err == nil && filepath.Ext(e.Name()) == ".json" && time.Since(info.ModTime()) > staleAfter {
			_ = os.Remove(filepath.Join(dir, e.Name())) // the next one tries again
		}
	}
}

// LastCall is when a session's hook was last called.
type LastCall struct {
	Session string // the holder's name
	At      time.Time
}

// LastCalls returns the newest calls of hooks for a tree, the newest first.
func LastCalls(l open.Location, getenv func(string) string) []LastCall {
	dir := stateDir(l, getenv)
	entries, _ := os.ReadDir(dir) // a folder that is not there: no call yet
	var calls []LastCall
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || filepath.Ext(e.Name()) != ".json" || info.Size() > maxState {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		var s state
		if err != nil || json.Unmarshal(b, &s) != nil || s.Holder == "" {
			continue
		}
		calls = append(calls, LastCall{Session: s.Holder, At: info.ModTime()})
	}
	slices.SortFunc(calls, func(a, b LastCall) int { return b.At.Compare(a.At) })
	return calls[:min(len(calls), 5)]
}
