package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/mattn/go-isatty"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/child"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/cmdenv"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/exit"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/open"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/text"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/waits"
	"github.com/leasekit/leasekit/lease"
)

// untilSignal runs f. The first signal that would end this process ends f's
// context, and is returned.
func untilSignal(ctx context.Context, signals <-chan os.Signal, f func(context.Context) error) (os.Signal, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	var ended os.Signal
	for {
		select {
		case err := <-done:
			return ended, err
		case s := <-signals:
			switch {
			case child.Stops(s):
				child.StopSelf()
			case child.Ends(s) && ended == nil:
				ended = s
				cancel()
			}
		}
	}
}

// obtain acquires the lease, and while it waits tells who is in the way.
func obtain(ctx context.Context, env *cmdenv.Env, store *open.Store, r lease.Request, noWait bool) (lease.Lease, error) {
	if r.ID == "" {
		r.ID = lease.NewID() // it is looked for in line while it waits
	}
	// The first try has no place in line. It costs nothing if it is granted, and
	// else says who is in the way before the wait begins.
	granted, err := store.TryAcquire(ctx, r)
	if err == nil || noWait || !errors.Is(err, lease.ErrConflict) {
		return granted, err
	}
	p := progress{env: env, store: store, request: r, started: time.Now()}
	p.start(ctx, err)
	defer p.stop()
	return store.Acquire(ctx, r)
}

// notObtained gives the error of a lease that was not obtained its exit status,
// and says what to do.
func notObtained(err error, status int) error {
	e := *exit.Of(err)
	if e.Status == exit.NotObtained {
		e.Status = status
	}
	var conflict *lease.ConflictError
	if errors.As(err, &conflict) && len(conflict.Claims) > 0 {
		path := conflict.Claims[0].Path
		if len(conflict.Blockers) > 0 {
			path = conflict.Blockers[0].Asked.Path
		}
		e.Next = "leasekit why --raw " + text.ShellWord(path) + " shows who is in the way"
		if e.Code == "conflict" {
			e.Next += "; without -n you wait in line"
		}
	}
	return &e
}

// How often the progress of a wait is told.
const (
	progressTerminal = time.Second
	progressElse     = time.Minute
)

// progress tells people how a wait is going, on standard error.
type progress struct {
	env      *cmdenv.Env
	store    *open.Store
	request  lease.Request
	started  time.Time
	terminal bool
	cancel   context.CancelFunc
	running  sync.WaitGroup
}

func (p *progress) start(ctx context.Context, err error) {
	var conflict *lease.ConflictError
	if errors.As(err, &conflict) {
		warn(p.env, "waits for %s: %s", text.Claims(p.request.Claims, 3), blockersText(conflict))
	}
	p.terminal = isTerminal(p.env.Err)
	ctx, p.cancel = context.WithCancel(ctx)
	p.running.Go(func() { p.loop(ctx) })
}

func (p *progress) stop() {
	p.cancel()
	p.running.Wait()
	if p.terminal {
		_, _ = fmt.Fprint(p.env.Err, "\r\x1b[K")
	}
}

func (p *progress) loop(ctx context.Context) {
	every := progressElse
	if p.terminal {
		every = progressTerminal
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		line, err := p.text(ctx)
		if err != nil {
			continue // the wait itself tells of the store's trouble, if it lasts
		}
		if p.terminal {
			_, _ = fmt.Fprint(p.env.Err, "\r\x1b[K"+text.Printable(line))
		} else {
			warn(p.env, "%s", line)
		}
	}
}

// text is the wait in one line.
func (p *progress) text(ctx context.Context) (string, error) {
	s, err := waits.Take(ctx, p.store, waits.Around(p.request.Claims)...)
	if err != nil {
		return "", err
	}
	asker := waits.Asker{
		ID: p.request.ID, Holder: p.request.Holder, Claims: p.request.Claims, Distinct: p.request.Distinct,
		Parent: p.request.Parent.ID, Replaced: p.request.Replace.ID,
	}
	line := fmt.Sprintf("waits %s for %s, place %d in line", text.Span(time.Since(p.started)), text.Claims(p.request.Claims, 1), s.Place(asker))
	if blockers := s.InTheWay(asker); len(blockers) > 0 {
		b := blockers[0]
		verb := "held"
		if b.Lease.Status == lease.Pending {
			verb = "waited for"
		}
		line += fmt.Sprintf("; %s %s by %s", b.Held, verb, b.Lease.Holder)
	}
	return line, nil
}

// blockersText says who is in the way.
func blockersText(e *lease.ConflictError) string {
	if len(e.Blockers) == 0 {
		return "somebody else holds it"
	}
	b := e.Blockers[0]
	verb := "held"
	if b.Waiting {
		verb = "waited for"
	}
	line := fmt.Sprintf("%s is %s by %s until %s unless renewed", b.Held, verb, b.Holder, text.Clock(b.ExpiresAt, time.Now()))
	if e.Count > 1 {
		line += fmt.Sprintf(", and %d more are in the way", e.Count-1)
	}
	return line
}

// isTerminal reports whether people read a stream as it is written.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && (isatty.IsTerminal(f.Fd()) || isatty.IsCygwinTerminal(f.Fd())) && os.Getenv("TERM") != "dumb"
}
