package conformance

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/conformance/internal/model"
	"github.com/leasekit/leasekit/lease"
)

// do makes the calls of one instruction.
func (p *player) do(i instruction) {
	what := i.String()
	args, known := p.asked[i.target]
	switch i.verb {
	case doTry, doWait, doPlace:
		p.begin(i, p.args(i))
	case doReuse:
		if a := p.args(i); known {
			p.tries[i.target]++
			a.Attempt = fmt.Sprintf("%s-%d", a.Request.ID, p.tries[i.target])
			if told := p.once(what, a); strings.HasPrefix(told, "done") {
				p.asked[i.target] = a
			}
		}
	case doReplace:
		if !known {
			return
		}
		a := p.args(i)
		a.Request.Replace = lease.Ref{ID: id(i.target), Holder: args.Request.Holder}
		if a.Request.Holder != args.Request.Holder {
			a.PlaceTTL, a.Deadlock = 0, false // a transfer never waits
		}
		if p.sides[0].tokens[id(i.target)] != 0 { // one without a token never reaches a store
			p.begin(i, a)
		}
	case doUnder:
		if !known {
			return
		}
		a := p.args(i)
		a.Request.Parent = lease.Ref{ID: id(i.target), Holder: args.Request.Holder}
		if p.sides[0].tokens[id(i.target)] != 0 {
			p.begin(i, a)
		}
	case doAgain:
		if known {
			p.again(i, args)
		}
	case doRenew, doLabel, doRelease, doWithdraw:
		if !known {
			return
		}
		for range times(i.repeat) {
			both(p, what, func(s *side) (string, error) { return p.hold(s, i, args) })
		}
	case doForce:
		both(p, what, func(s *side) (string, error) { return p.force(s, i) })
	case doSweep:
		both(p, what, func(s *side) (string, error) { return "", s.sweep(p.h.Context()) })
	case doConfig:
		both(p, what, func(s *side) (string, error) { return s.setConfig(p.h.Context(), changes[i.target].change) })
	case doLook:
		p.look(what, id(i.target))
	case doBurst:
		for n := range i.steps {
			a := p.args(i)
			a.Request.Holder, a.Request.ID = fmt.Sprintf("%s-%d", a.Request.Holder, n%maxHolders), lease.ID(fmt.Sprintf("%s-%d", id(i.number), n))
			a.Attempt = string(a.Request.ID)
			p.once(fmt.Sprintf("%s, the %d.", what, n+1), a)
		}
	case doReopen:
		p.reopen(what)
	case doAge:
		p.age(what)
	case doPass:
		for range i.steps - 1 { // the pump adds one
			p.pump(what)
		}
	}
}

func times(repeat bool) int {
	if repeat {
		return 2
	}
	return 1
}

// args returns the ask of an instruction, filled in as an engine would.
func (p *player) args(i instruction) backend.AcquireArgs {
	c := p.sides[1].config
	r := i.request
	r.ID = id(i.number)
	if i.verb == doReuse {
		r.ID = id(i.target)
	}
	if i.verb == doPlace {
		r.QueueTTL = i.place // the client's own, whatever handle asks
	}
	return backend.AcquireArgs{
		Request: r, Attempt: string(r.ID) + "-0", PlaceTTL: i.place,
		HeadStart: time.Duration(r.Priority) * c.PriorityBoost,
		Deadlock:  c.DeadlockCheck && i.place > 0, Quota: c.MaxLeasesPerHolder, Blockers: true,
	}
}

// begin sends a request's first ask.
func (p *player) begin(i instruction, a backend.AcquireArgs) {
	p.asked[i.number] = a
	if i.verb == doPlace || a.PlaceTTL == 0 {
		p.once(i.String(), a)
		return
	}
	p.ask(p.join(i.number, a), i.String())
}

// once sends an ask that nobody waits for.
func (p *player) once(what string, a backend.AcquireArgs) string {
	return both(p, what, func(s *side) (string, error) {
		_, text, err := p.acquire(s, a)
		return text, err
	})
}

// again asks for a request again: as another attempt, or with other claims.
func (p *player) again(i instruction, a backend.AcquireArgs) {
	if i.stranger {
		a.Request.Holder += "x"
	}
	p.tries[i.target]++
	a.Attempt = fmt.Sprintf("%s-%d", a.Request.ID, p.tries[i.target])
	for range times(i.repeat) {
		told := p.once(i.String(), a)
		if strings.HasPrefix(told, "done") || strings.HasPrefix(told, "queued") {
			p.asked[i.target] = a
		}
	}
}

// hold makes a call about a lease.
func (p *player) hold(s *side, i instruction, a backend.AcquireArgs) (string, error) {
	ctx := p.h.Context()
	ref := lease.Ref{ID: a.Request.ID, Holder: a.Request.Holder, Token: s.tokens[a.Request.ID]}
	if i.stranger {
		ref.Holder += "x"
	}
	switch i.verb {
	case doRenew:
		if ref.Token == 0 {
			return "", nil // it never reaches a store
		}
		reply, err := s.Renew(ctx, backend.RenewArgs{
			Ref: ref, TTL: i.ttl, MaxTTL: lease.MaxTTL, Op: fmt.Sprintf("op%06d", i.number), ConfigVersion: s.config.Version,
		})
		return p.renewText(reply), err
	case doLabel:
		if ref.Token == 0 {
			return "", nil // it never reaches a store
		}
		var labels map[string]string
		if i.number%3 > 0 {
			labels = map[string]string{"by": i.String(), "x": ""}
		}
		reply, err := s.Renew(ctx, backend.RenewArgs{
			Ref: ref, Relabel: true, Labels: labels, Op: fmt.Sprintf("op%06d", i.number), ConfigVersion: s.config.Version,
		})
		return p.renewText(reply), err
	case doRelease:
		reply, err := s.Release(ctx, backend.ReleaseArgs{Ref: ref})
		return model.Outcomes[reply.Outcome] + endText(reply.End), err
	default:
		if i.stranger {
			a.Attempt += "x" // the tombstone of an attempt would keep its own call from asking
		}
		reply, err := s.Withdraw(ctx, backend.WithdrawArgs{
			ID: ref.ID, Holder: ref.Holder, Attempt: a.Attempt, Why: lease.EndCancelled,
		})
		text := model.Outcomes[reply.Outcome]
		if reply.Outcome == backend.Refused {
			text += " " + p.leaseText(reply.Lease)
		}
		return text, err
	}
}

func (p *player) force(s *side, i instruction) (string, error) {
	var ended []string
	args := backend.ForceArgs{Query: i.query, Revocation: lease.Revocation{Actor: "root", Reason: "script"}}
	for n := 0; ; n++ {
		args.Op, args.Again = fmt.Sprintf("op%d-%d", i.number, n), n > 0
		reply, err := s.Force(p.h.Context(), args)
		if err != nil {
			return "", err
		}
		for _, l := range reply.Leases {
			ended = append(ended, string(l.ID))
		}
		if reply.Outcome == backend.Again {
			continue
		}
		text := model.Outcomes[reply.Outcome] + " " + strings.Join(ended, " ")
		if reply.Outcome == backend.TreeOnly {
			text = model.Outcomes[reply.Outcome] // which tree it names is the store's choice
		}
		return text, nil
	}
}

// look compares what can be seen.
func (p *player) look(what string, target lease.ID) {
	ctx := p.h.Context()
	both(p, what+": Stats", func(s *side) (string, error) {
		stats, err := s.Stats(ctx)
		return fmt.Sprintf("%d active, %d pending, oldest waiter %s", stats.Active, stats.Pending, p.at(stats.OldestWaiter)), err
	})
	both(p, what+": List", func(s *side) (string, error) { return p.list(ctx, s, lease.Query{}) })
	ended := []lease.Status{lease.Expired, lease.Released, lease.Failed}
	both(p, what+": List what has ended", func(s *side) (string, error) { return p.list(ctx, s, lease.Query{Status: ended}) })
	both(p, what+": List Under", func(s *side) (string, error) { return p.list(ctx, s, lease.Query{Under: "a/b"}) })
	both(p, what+": List Path", func(s *side) (string, error) { return p.list(ctx, s, lease.Query{Path: "a/b"}) })
	if target != "" {
		both(p, what+": Get", func(s *side) (string, error) { return p.list(ctx, s, lease.Query{ID: target}) })
	}
}

func (p *player) list(ctx context.Context, s *side, q lease.Query) (string, error) {
	var lines []string
	for cursor := ""; ; {
		page, err := s.List(ctx, q, cursor)
		if err != nil {
			return "", err
		}
		for _, l := range page.Leases {
			lines = append(lines, p.leaseText(l))
		}
		if page.Next == "" {
			return strings.Join(lines, "; "), nil
		}
		cursor = page.Next
	}
}
