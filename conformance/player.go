package conformance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/lease/audit"
)

// player runs a script on two stores in lockstep: each call is made on both,
// and must tell the same. Who waits asks again when the store in memory has
// woken it, when the time that the last reply told has come, or to keep its
// place; in the order of the queue.
type player struct {
	h      *harness
	sides  [2]*side // the store that is checked, and the one in memory
	start  time.Time
	now    int // steps since the start
	asked  map[int]backend.AcquireArgs
	tries  map[int]int // attempts for a request
	queue  []*waiter
	failed string
}

// side is one of the two stores.
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
	hints  [2]<-chan struct{}
	stop   func()
}

func newPlayer(h *harness, oracle *memory.Store) *player {
	p := &player{
		h: h, start: time.Now(), asked: map[int]backend.AcquireArgs{}, tries: map[int]int{},
	}
	for n, s := range []backend.Store{h.store(), oracle} {
		p.sides[n] = &side{Store: s, tokens: map[lease.ID]lease.Token{}}
	}
	return p
}

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
	if told[0] != told[1] {
		p.differ("%s\n  the store: %s\n  in memory: %s", what, told[0], told[1])
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

// play runs a script and returns how the stores differ, "" if they do not.
func (p *player) play(script []instruction) string {
	both(p, "the configuration", func(s *side) (string, error) { return s.setConfig(p.h.Context(), p.prepare) })
	for _, i := range script {
		if p.failed != "" {
			break
		}
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

// pump makes those ask again that have reason to, until nobody has. In virtual
// time it begins at the next step, so that no two instructions share one.
func (p *player) pump(after string) {
	p.pass()
	for round := 0; p.failed == ""; round++ {
		p.h.settle()
		w, why := p.next()
		if w == nil {
			return
		}
		if round == 1000 {
			p.differ("after %s: the waiters never come to rest", after)
			return
		}
		told := p.ask(w, fmt.Sprintf("after %s: %s asks again (%s)", after, w.args.Request.ID, why))
		// A deadlock is no reason to wake anybody: who asks again finds it.
		if why == "hint" && told != "queued" && told != "deadlocked" && !p.woken(w) {
			p.differ("after %s: the store did not wake %s, which was %s", after, w.args.Request.ID, told)
		}
	}
}

// next returns the first in the queue of those who have reason to ask again.
func (p *player) next() (*waiter, string) {
	for _, w := range p.queue {
		select {
		case <-w.hints[1]:
			return w, "hint"
		default:
		}
		switch {
		case w.retry <= p.now:
			return w, "expiry"
		case w.beat <= p.now:
			return w, "heartbeat"
		}
	}
	return nil, ""
}

// woken reports whether the checked store has woken the waiter, too. A store
// that gives no hints is polled.
func (p *player) woken(w *waiter) bool {
	if w.hints[0] == nil {
		return true
	}
	patience := step / 5
	if p.h.fixture.RealTime {
		patience = time.Second
	}
	select {
	case <-w.hints[0]:
		return true
	case <-time.After(patience):
		return false
	}
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
		return outcomes[reply.Outcome]
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
	var stops [2]func()
	for n, s := range p.sides {
		w.hints[n], stops[n] = s.Subscribe(args.Request.ID)
	}
	w.stop = func() { stops[0](); stops[1]() }
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
		return reply, p.acquireText(reply), nil
	}
}

// finish lets everything end, and compares what is left and the histories.
func (p *player) finish() {
	if !p.h.fixture.RealTime {
		p.now += 1000
		p.h.pass(time.Until(p.start.Add(time.Duration(p.now) * step)))
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
			p.differ("the histories differ at line %d:\n  the store: %s\n  in memory: %s", n+1, a, b)
			return
		}
	}
	for n, events := range histories {
		report, err := audit.Replay(audit.Events(events), &audit.Options{Config: &p.sides[n].config})
		if err = errors.Join(err, report.Err()); err != nil {
			p.differ("the history of side %d (0 is the store, 1 in memory): %v", n, err)
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
