package linearizability

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/leasekit/leasekit/conformance/internal/model"
	"github.com/leasekit/leasekit/lease"
)

// never is when a call returns whose outcome is unknown: it can then be ordered
// last, where nobody sees whether it was done.
const never = math.MaxInt64

// noToken is a token that the model never hands out.
const noToken = lease.Token(math.MaxInt64)

// state is the model between two calls. A step never changes one.
type state struct {
	m      *model.Model
	tokens []pair
	key    string // "" until it is needed
}

// pair is one grant's token as the model and as the store chose it.
type pair struct{ model, store lease.Token }

// contract is the model for porcupine. The leases outlast every history, so the
// clock stands still.
func contract() porcupine.Model {
	return porcupine.Model{
		Init: func() any {
			m := model.New(func() time.Time { return time.Unix(0, 0) })
			c := m.Config()
			c.History = false // it is not looked at, and would be copied at each step
			if _, err := m.SetConfig(c); err != nil {
				panic(err)
			}
			return &state{m: m}
		},
		Step: func(s, in, out any) (bool, any) { return s.(*state).step(in.(call), out.(answer)) },
		Equal: func(a, b any) bool {
			return a.(*state).text() == b.(*state).text()
		},
		DescribeOperation: func(in, out any) string { return fmt.Sprintf("%v -> %v", in, out) },
		DescribeState:     func(s any) string { return s.(*state).text() },
	}
}

func (s *state) text() string {
	if s.key == "" {
		s.key = s.m.Key() + fmt.Sprint(s.tokens)
	}
	return s.key
}

// step reports whether the model can give this answer now, and what it is then.
func (s *state) step(c call, got answer) (bool, *state) {
	next := &state{m: s.m.Clone(), tokens: s.tokens}
	want := s.translated(c).onModel(next.m)
	switch {
	case got.unknown:
		return true, next
	case got.Text != want.Text, len(got.Tokens) != len(want.Tokens), len(got.Cycle) > 0 && !next.m.IsCycle(got.Cycle):
		return false, nil
	}
	for i, token := range want.Tokens {
		if !next.same(token, got.Tokens[i]) {
			return false, nil
		}
	}
	return true, next
}

// same records that two tokens are of the same grant, and reports whether they
// can be: those of the store rise with those of the model.
func (s *state) same(of, store lease.Token) bool {
	if of == 0 || store == 0 {
		return of == store
	}
	for _, p := range s.tokens {
		if cmp.Compare(p.model, of) != cmp.Compare(p.store, store) {
			return false
		}
		if p.model == of {
			return true
		}
	}
	s.tokens = append(slices.Clip(s.tokens), pair{of, store})
	slices.SortFunc(s.tokens, func(a, b pair) int { return cmp.Compare(a.model, b.model) })
	return true
}

// translated returns the call with the model's tokens and version.
func (s *state) translated(c call) call {
	switch {
	case c.Acquire != nil:
		a := *c.Acquire
		a.Request.Replace, a.Request.Parent = s.ref(a.Request.Replace), s.ref(a.Request.Parent)
		a.ConfigVersion = s.m.Config().Version
		c.Acquire = &a
	case c.Renew != nil:
		a := *c.Renew
		a.Ref, a.ConfigVersion = s.ref(a.Ref), s.m.Config().Version
		c.Renew = &a
	case c.Release != nil:
		a := *c.Release
		a.Ref = s.ref(a.Ref)
		c.Release = &a
	}
	return c
}

func (s *state) ref(r lease.Ref) lease.Ref {
	if r.Token == 0 {
		return r
	}
	i := slices.IndexFunc(s.tokens, func(p pair) bool { return p.store == r.Token })
	if i < 0 {
		r.Token = noToken
		return r
	}
	r.Token = s.tokens[i].model
	return r
}

// verdict is what was found out about a history.
type verdict struct {
	result  porcupine.CheckResult
	history []porcupine.Operation       // if illegal: as much of it as is needed to show it
	info    porcupine.LinearizationInfo // if illegal
}

// check looks for an order of the calls in which the model gives each answer. If
// there is none it cuts the history off behind the first answer that has none.
func check(history []porcupine.Operation, limit time.Duration) verdict {
	result, info := porcupine.CheckOperationsVerbose(contract(), history, limit)
	if result != porcupine.Illegal {
		return verdict{result: result}
	}
	v := verdict{result: result, history: history, info: info}
	returns := make([]int64, len(history))
	for i, o := range history {
		returns[i] = o.Return
	}
	slices.Sort(returns)
	for low, high := 0, len(returns)-1; low < high; {
		middle := (low + high) / 2
		part := until(history, returns[middle])
		result, info := porcupine.CheckOperationsVerbose(contract(), part, limit)
		if result == porcupine.Illegal {
			high, v.history, v.info = middle, part, info
		} else {
			low = middle + 1
		}
	}
	return v
}

// until returns the history as it was at a moment: what had not returned by then
// is unknown.
func until(history []porcupine.Operation, moment int64) []porcupine.Operation {
	var part []porcupine.Operation
	for _, o := range history {
		if o.Call > moment {
			continue
		}
		if o.Return > moment {
			o.Return, o.Output = never, answer{unknown: true}
		}
		part = append(part, o)
	}
	return part
}

// text tells a history by the times of the calls, in microseconds.
func text(history []porcupine.Operation) string {
	history = slices.Clone(history)
	slices.SortStableFunc(history, func(a, b porcupine.Operation) int { return cmp.Compare(a.Call, b.Call) })
	var b strings.Builder
	for _, o := range history {
		end := "..."
		if o.Return != never {
			end = fmt.Sprint(o.Return / 1000)
		}
		fmt.Fprintf(&b, "%8d-%-8s caller %d: %v\n  -> %v\n", o.Call/1000, end, o.ClientId, o.Input, o.Output)
	}
	return b.String()
}
