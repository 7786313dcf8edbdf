package conformance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/conformance/internal/model"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/lease/audit"
)

// player runs a script on a store and on the model in lockstep: each call is made
// on both, and must tell the same. Who waits asks again when the store has woken
// it, when the time that the last reply told has come, or to keep its place; in
// the order of the queue. Whom the model says to ask must have been woken.
type player struct {
	h      *harness
	sides  [2]*side // the store that is checked, and the model
	model  *model.Model
	stores []backend.Store // handles on the store: see use
	start  time.Time
	now    int // steps since the start
	asked  map[int]backend.AcquireArgs
	tries  map[int]int // attempts for a request
	queue  []*waiter
	cycle  []string // of holders, that the store named
	failed string
}

// side is the store, or the model.
type side struct {
	backend.Store
	tokens map[lease.ID]lease.Token // as they were granted
	config lease.Config
}

// waiter is a request that waits as an engine would have it wait.
type waiter struct {
	number int
	args   backend.AcquireArgs
	key    time.Time // its place in the queue
	retry  int       // the step at which the last of what blocks it has ended
	beat   int       // the step at which it asks to keep its place
	late   bool      // it could be granted because of the time alone: it finds out by itself
	hint   <-chan struct{}
	stop   func()
}

// handles is how many handles on the store a script uses in turns.
const handles = 3

func newPlayer(h *harness) *player {
	p := &player{
		h: h, start: time.Now(), asked: map[int]backend.AcquireArgs{}, tries: map[int]int{},
		model: model.New(time.Now),
	}
	p.open()
	for n, s := range []backend.Store{p.stores[0], literal{p.model}} {
		p.sides[n] = &side{Store: s, tokens: map[lease.ID]lease.Token{}}
	}
	return p
}

func (p *player) open() {
	p.stores = nil
	for range handles {
		p.stores = append(p.stores, p.h.store())
	}
}

// use has the next calls go through one of the handles.
func (p *player) use(n int) { p.sides[0].Store = p.stores[n%handles] }

// differ ends the script: the first difference explains those that follow.
func (p *player) differ(format string, args ...any) {
	if p.failed == "" {
		p.failed = fmt.Sprintf(format, args...)
	}
}

// both makes a call on both stores and requires that they tell the same, which
// it returns.
func both(p *player, what string, call func(s *side) (string, error)) string {
	if p.failed != "" {
		return ""
	}
	var told [2]string
	for n, s := range p.sides {
		text, err := call(s)
		if err != nil {
			text = "error: " + kindOf(err)
		}
		told[n] = text
	}
	if cycle := p.cycle; cycle != nil {
		if p.cycle = nil; !p.model.IsCycle(cycle) && told[0] == told[1] {
			p.differ("%s\n  the store names %q, who do not wait for each other in a circle", what, cycle)
		}
	}
	if told[0] != told[1] {
		p.differ("%s\n%s", what, difference(told[0], told[1]))
	}
	return told[1]
}

// kindOf returns what of an error both stores must agree on.
func kindOf(err error) string {
	for _, sentinel := range []error{lease.ErrVersion, lease.ErrTrimmed, lease.ErrRegressed} {
		if errors.Is(err, sentinel) {
			return sentinel.Error()
		}
	}
	return err.Error()
}

// play runs a script and returns how the store differs from the model, "" if it does not.
func (p *player) play(script []instruction) string {
	both(p, "the configuration", func(s *side) (string, error) { return s.setConfig(p.h.Context(), p.prepare) })
	for _, i := range script {
		if p.failed != "" {
			break
		}
		p.use(i.number)
		p.do(i)
		p.pump(i.String())
	}
	p.finish()
	for _, w := range p.queue {
		w.stop()
	}
	return p.failed
}

// prepare sets what scripts count on.
func (p *player) prepare(c *lease.Config) {
	c.AutoSweep = false
	if !p.h.fixture.RealTime {
		c.PriorityBoost = boost
	}
}

func (s *side) setConfig(ctx context.Context, change func(*lease.Config)) (string, error) {
	reply, err := s.Config(ctx)
	if err != nil {
		return "", err
	}
	c := reply.Config
	change(&c)
	s.config, err = s.SetConfig(ctx, c)
	return fmt.Sprintf("%+v", s.config), err
}

// pass lets one step of time pass.
func (p *player) pass() {
	if p.h.fixture.RealTime {
		p.h.pass(step / 20)
		return
	}
	p.now++
	p.h.pass(time.Until(p.start.Add(time.Duration(p.now) * step)))
}

// ask sends a waiter's ask to both stores, and takes it out of the queue if its
// wait is over. It returns the outcome.
func (p *player) ask(w *waiter, what string) string {
	var reply backend.AcquireReply
	both(p, what, func(s *side) (string, error) {
		r, text, err := p.acquire(s, w.args)
		reply = r
		return text, err
	})
	w.args.Again = true
	if reply.Outcome != backend.Queued {
		p.leave(w)
		return model.Outcomes[reply.Outcome]
	}
	w.retry, w.beat = never, never
	if !p.h.fixture.RealTime {
		w.retry = p.now + steps(reply.RetryAfter)
		w.beat = p.now + max(1, int(w.args.PlaceTTL/3/step))
	}
	return "queued"
}

const never = 1 << 30

// steps returns after how many steps a time will have passed.
func steps(d time.Duration) int {
	if d <= 0 {
		return never
	}
	return int((d + step - 1) / step)
}

// join puts a request in the queue of those who ask again by themselves.
func (p *player) join(number int, args backend.AcquireArgs) *waiter {
	w := &waiter{number: number, args: args, key: time.Now().Add(-args.HeadStart)}
	p.use(number)
	w.hint, w.stop = p.sides[0].Subscribe(args.Request.ID)
	p.queue = append(p.queue, w)
	slices.SortStableFunc(p.queue, func(a, b *waiter) int {
		return cmp.Or(a.key.Compare(b.key), cmp.Compare(a.number, b.number))
	})
	return w
}

func (p *player) leave(w *waiter) {
	w.stop()
	p.queue = slices.DeleteFunc(p.queue, func(x *waiter) bool { return x == w })
}

// acquire sends an ask, filled in with the side's configuration and tokens.
func (p *player) acquire(s *side, args backend.AcquireArgs) (backend.AcquireReply, string, error) {
	args.ConfigVersion = s.config.Version
	if args.Request.Replace.ID != "" {
		args.Request.Replace.Token = s.tokens[args.Request.Replace.ID]
	}
	if args.Request.Parent.ID != "" {
		args.Request.Parent.Token = s.tokens[args.Request.Parent.ID]
	}
	for {
		reply, err := s.Acquire(p.h.Context(), args)
		if err != nil {
			return reply, "", err
		}
		if reply.Outcome == backend.Again {
			args.Again = true
			continue
		}
		if reply.Outcome == backend.Done {
			s.tokens[reply.Lease.ID] = reply.Lease.Token
		}
		text := p.acquireText(reply)
		if reply.Outcome == backend.Deadlocked && s == p.sides[0] {
			p.cycle = reply.Cycle // which cycle it names is the store's choice
		}
		return reply, text, nil
	}
}

// giveUp withdraws all calls that wait, as engines do when they are closed.
func (p *player) giveUp(what string) {
	for len(p.queue) > 0 {
		p.leave(p.queue[0])
	}
	waiting := p.model.Attempts()
	for _, u := range slices.Sorted(maps.Keys(waiting)) {
		holder := ""
		for _, l := range p.model.List(lease.Query{ID: u}) {
			holder = l.Holder
		}
		for _, attempt := range waiting[u] {
			both(p, fmt.Sprintf("%s: withdraw %s", what, attempt), func(s *side) (string, error) {
				reply, err := s.Withdraw(p.h.Context(), backend.WithdrawArgs{ID: u, Holder: holder, Attempt: attempt, Why: lease.EndCancelled})
				return model.Outcomes[reply.Outcome], err
			})
		}
	}
}

// reopen reopens the store, if it can be, after all calls that wait were given up.
func (p *player) reopen(what string) {
	if p.giveUp(what); p.failed != "" || p.h.fixture.Reopen == nil {
		return
	}
	p.h.reopen()
	p.open()
	p.use(0)
	p.look(what+", and then", "")
}

// age lets so much time pass that ends are forgotten, and sweeps.
func (p *player) age(what string) {
	if p.giveUp(what); p.h.fixture.RealTime || p.failed != "" {
		return
	}
	p.skip(lease.MinEndedRetention + step/2) // so that a millisecond decides nothing
	both(p, what+": sweep", func(s *side) (string, error) { return "", s.sweep(p.h.Context()) })
	p.look(what+", and then", "")
}

// skip lets time pass in which nobody asks.
func (p *player) skip(d time.Duration) {
	p.now += steps(d)
	p.h.pass(time.Until(p.start.Add(time.Duration(p.now) * step)))
}

// finish lets everything end, and compares what is left and the histories.
func (p *player) finish() {
	if !p.h.fixture.RealTime {
		p.giveUp("at the end")
		p.skip(1000 * step)
	}
	if p.h.fixture.Reopen != nil { // then every handle has told what it counted
		p.reopen("at the end")
		both(p, "refusals, in all", func(s *side) (string, error) {
			stats, err := s.Stats(p.h.Context())
			return fmt.Sprint(stats.Refused), err
		})
	}
	var histories [2][]lease.Event
	both(p, "sweeping at the end", func(s *side) (string, error) { return "", s.sweep(p.h.Context()) })
	p.look("at the end", "")
	both(p, "reading the history", func(s *side) (string, error) {
		events, err := s.history(p.h.Context())
		if s == p.sides[0] {
			histories[0] = events
		} else {
			histories[1] = events
		}
		return "", err
	})
	if p.failed != "" {
		return
	}
	stored, expected := p.historyText(histories[0]), p.historyText(histories[1])
	for n := range max(len(stored), len(expected)) {
		if a, b := line(stored, n), line(expected, n); a != b {
			p.differ("the histories differ at line %d:\n%s", n+1, difference(a, b))
			return
		}
	}
	for n, events := range histories {
		report, err := audit.Replay(audit.Events(events), &audit.Options{Config: &p.sides[n].config})
		if err = errors.Join(err, report.Err()); err != nil {
			p.differ("the history of side %d (0 is the store, 1 the model): %v", n, err)
		}
	}
}

func line(lines []string, n int) string {
	if n < len(lines) {
		return lines[n]
	}
	return "nothing"
}

func (s *side) sweep(ctx context.Context) error {
	for {
		reply, err := s.Sweep(ctx, 100)
		if err != nil || !reply.More {
			return err
		}
	}
}

func (s *side) history(ctx context.Context) ([]lease.Event, error) {
	var all []lease.Event
	for q := (lease.Query{All: true}); ; {
		page, err := s.Events(ctx, backend.EventsArgs{Query: q, Limit: 100})
		if err != nil || page.Next == q.After {
			return all, err
		}
		all, q.After = append(all, page.Events...), page.Next
	}
}
