package hook

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"time"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/cmdenv"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/exit"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/hosts"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/open"
	"github.com/leasekit/leasekit/lease"
)

// Options are the hook's flags. The zero value leaves everything to the
// configuration file.
type Options struct {
	Host     hosts.Host    // empty: found out by the fields
	OnError  string        // "allow", "deny", or empty
	Wait     time.Duration // negative: not given
	Deadline time.Duration // 0: not given
}

// Run handles one call of a host and returns the process' exit status.
func Run(ctx context.Context, env *cmdenv.Env, o Options) int {
	a := handle(ctx, env, o)
	_, _ = fmt.Fprint(env.Err, a.Stderr)
	if _, err := fmt.Fprint(env.Out, a.Stdout); err != nil && a.Status == 0 {
		return exit.Failed
	}
	return a.Status
}

// handle answers one call. It never panics: what goes wrong is an error like
// any other.
func handle(ctx context.Context, env *cmdenv.Env, o Options) (a hosts.Answer) {
	c := &caller{env: env, options: o, settings: defaults(), dir: env.Dir, found: make(map[string]located)}
	c.settings.override(o)
	defer func() {
		if r := recover(); r != nil {
			a = c.failed(fmt.Errorf("internal error: %v\n%s", r, debug.Stack()))
		}
	}()
	input, err := hosts.ReadInput(env.In)
	if err == nil {
		c.call, err = hosts.Parse(input, o.Host)
	}
	if err != nil {
		c.call.Host = o.Host
		return c.failed(err)
	}
	defer c.close(ctx)
	a, err = c.answer(ctx)
	if err != nil {
		return c.failed(err)
	}
	return a
}

func (s *Settings) override(o Options) {
	if o.OnError != "" {
		s.OnError = o.OnError
	}
	if o.Wait >= 0 {
		s.Wait = o.Wait
	}
	if o.Deadline > 0 {
		s.Deadline = o.Deadline
	}
}

// caller handles one call.
type caller struct {
	env      *cmdenv.Env
	options  Options
	settings Settings
	call     hosts.Call
	dir      string             // the call's working directory
	family   []int              // the processes that this one works for, as it started
	found    map[string]located // stores by folder
	stores   []*open.Store
	notes    []string // trouble that stops nothing
}

type located struct {
	location open.Location
	err      error
}

// The time that an event's store calls may take. A host that ends waits for
// about a second.
const (
	storeTime = 10 * time.Second
	turnTime  = 5 * time.Second
	endTime   = 900 * time.Millisecond
)

func (c *caller) answer(ctx context.Context) (hosts.Answer, error) {
	c.family = ancestors()
	if dir, err := resolve(c.call.Dir); err == nil && c.call.Dir != "" {
		c.dir = dir
	}
	if c.call.Session == "" {
		// The host's environment may know what its JSON does not say.
		if h, session := hosts.SessionFromEnv(c.env.Getenv); h == c.call.Host {
			c.call.Session = session
		}
	}
	if c.call.Holder() == "" {
		if c.call.Event == hosts.BeforeTool && c.call.Kind != hosts.OtherTool {
			return hosts.Answer{}, fmt.Errorf("%w: it names no session (host %s)", hosts.ErrInput, c.call.Host)
		}
		return hosts.Pass(), nil
	}
	l, err := c.locate(folderOf(c.dir, true))
	if err != nil {
		return hosts.Answer{}, err
	}
	if l.Settings != nil {
		if err := c.settings.apply(l.Settings.Hook); err != nil {
			return hosts.Answer{}, fmt.Errorf("%s: %w", l.Settings.File, err)
		}
		c.settings.override(c.options)
	}
	limit := min(c.settings.Deadline, storeTime+c.settings.Wait)
	switch c.call.Event {
	case hosts.TurnEnd, hosts.AgentEnd:
		limit = turnTime
	case hosts.SessionEnd:
		limit = endTime
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	switch c.call.Event {
	case hosts.SessionStart:
		removeStale(stateDir(l, c.env.Getenv))
	case hosts.Prompt:
		c.note(c.update(l, func(s *state) { s.Prompt = firstWords(c.call.Prompt) }))
	case hosts.BeforeTool:
		return c.before(ctx, l)
	case hosts.AfterTool:
		return c.after(ctx, l)
	case hosts.TurnEnd, hosts.AgentEnd, hosts.SessionEnd:
		return hosts.Pass(), c.finish(ctx, l)
	}
	return c.pass(), nil
}

// pass lets the call go on, with what is worth telling the user.
func (c *caller) pass() hosts.Answer {
	a := hosts.Pass()
	for _, note := range c.notes {
		a.Stderr += "leasekit: " + note + "\n"
	}
	return a
}

// note keeps an error that stops nothing.
func (c *caller) note(err error) {
	if err != nil {
		c.notes = append(c.notes, err.Error())
	}
}

// failed answers when nothing could be checked: visibly, as the settings say.
func (c *caller) failed(err error) hosts.Answer {
	e := exit.Of(err)
	text := "leasekit could not check this call: " + err.Error()
	next := e.Next
	if next == "" || errors.Is(err, hosts.ErrInput) {
		next = "leasekit doctor"
	}
	text += "\nnext: " + next
	canRefuse := c.call.Event == "" || c.call.Event == hosts.BeforeTool && c.call.Kind != hosts.OtherTool
	if c.settings.OnError == denyError && canRefuse {
		return hosts.Refusal(c.call.Host, text+"\nThe call was refused, since this tree is configured to refuse what cannot be checked (on_error: deny).")
	}
	return hosts.Warning(c.call.Host, text+"\nNothing was claimed: other sessions may write the same files.")
}

// locate finds the store that a folder belongs to.
func (c *caller) locate(folder string) (open.Location, error) {
	if f, ok := c.found[folder]; ok {
		return f.location, f.err
	}
	env := *c.env
	env.Dir = folder
	l, err := env.Locate()
	c.found[folder] = located{location: l, err: err}
	return l, err
}

// open opens a location's store, once.
func (c *caller) open(ctx context.Context, l open.Location) (*open.Store, error) {
	for _, s := range c.stores {
		if s.URL == l.URL && s.Namespace == l.Namespace {
			return s, nil
		}
	}
	s, err := l.Open(ctx, nil)
	if err == nil {
		c.stores = append(c.stores, s)
	}
	return s, err
}

func (c *caller) close(ctx context.Context) {
	for _, s := range c.stores {
		if c.call.Event != hosts.SessionEnd { // the client waits for about a second
			s.Tidy(ctx)
		}
		_ = s.Close() // what was asked has been answered
	}
}

func (c *caller) session() string { return hosts.Holder(c.call.Host, c.call.Session) }

func (c *caller) stateFile(l open.Location) string {
	return stateFile(stateDir(l, c.env.Getenv), c.session())
}

func (c *caller) state(l open.Location) state { return loadState(c.stateFile(l), c.session()) }

func (c *caller) update(l open.Location, change func(*state)) error {
	return updateState(c.stateFile(l), c.session(), change)
}

// orphaned reports whether one of the processes that this one works for is
// gone. Then nobody will act on the answer, and nothing must be claimed for it.
func (c *caller) orphaned() bool { return !slices.Equal(c.family, ancestors()) }

var errOrphaned = errors.New("the host that started this hook is gone")

// hostProcess is the host's process, as far as that can be told.
func (c *caller) hostProcess() int {
	if len(c.family) == 0 {
		return os.Getppid()
	}
	return c.family[len(c.family)-1]
}

func isConflict(err error) (*lease.ConflictError, bool) {
	var conflict *lease.ConflictError
	return conflict, errors.As(err, &conflict)
}
