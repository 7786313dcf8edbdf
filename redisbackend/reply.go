package redisbackend

import (
	"fmt"
	"strings"
	"time"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// reply reads what a script answered to one operation: a table, of which the first element is an outcome for those
// operations that have one; or, which costs the server less, a text of the outcome, a space, and one more element. What is
// not as expected is noted, and told by err.
type reply struct {
	operation string
	now       int64 // the store's clock, ms
	outcome   string
	rest      string // of a text
	elements  []any
	bad       error
}

func newReply(operation string, raw any) reply {
	r := reply{operation: operation}
	switch raw := raw.(type) {
	case string:
		r.outcome, r.rest, _ = strings.Cut(raw, " ")
	case []any:
		r.elements = raw
		if len(raw) > 0 {
			r.outcome, _ = raw[0].(string)
		}
	default:
		r.bad = fmt.Errorf("unexpected reply to %q: %.200q", operation, fmt.Sprint(raw))
	}
	return r
}

func (r *reply) at(i int) any {
	if i < len(r.elements) {
		return r.elements[i]
	}
	r.fail()
	return nil
}

func (r *reply) fail() {
	if r.bad == nil {
		r.bad = fmt.Errorf("unexpected reply to %q: %.200q", r.operation, fmt.Sprint(r.elements))
	}
}

func (r *reply) text(i int) string {
	s, ok := r.at(i).(string)
	if !ok {
		r.fail()
	}
	return s
}

func (r *reply) number(i int) int64 {
	n, ok := r.at(i).(int64)
	if !ok {
		r.fail()
	}
	return n
}

// list returns an element that is a table, or "" for an empty one.
func (r *reply) list(i int) []any {
	switch e := r.at(i).(type) {
	case []any:
		return e
	case string:
		if e == "" {
			return nil
		}
	}
	r.fail()
	return nil
}

// texts returns an element that is a table of texts.
func (r *reply) texts(i int) []string {
	elements := r.list(i)
	texts := make([]string, len(elements))
	for j, e := range elements {
		s, ok := e.(string)
		if !ok {
			r.fail()
		}
		texts[j] = s
	}
	return texts
}

// err returns what was wrong with the reply, as far as it was read.
func (r *reply) err() error { return r.bad }

// outcomes are those of backend that the scripts name.
var outcomes = map[string]backend.Outcome{
	"done": backend.Done, "queued": backend.Queued, "refused": backend.Refused, "deadlocked": backend.Deadlocked,
	"over_quota": backend.OverQuota, "mismatch": backend.Mismatch, "withdrawn": backend.Withdrawn,
	"gone": backend.Gone, "limit_hit": backend.LimitHit, "too_long": backend.TooLong, "tree_only": backend.TreeOnly,
	"stale": backend.Stale, "again": backend.Again, "late": backend.Late, "overtaken": backend.Overtaken,
	"bad_parent": backend.BadParent,
}

func (r *reply) known() backend.Outcome {
	o, ok := outcomes[r.outcome]
	if !ok {
		r.fail()
	}
	return o
}

var endErrors = map[string]error{
	"not_found": lease.ErrNotFound, "not_holder": lease.ErrNotHolder, "expired": lease.ErrExpired,
	"released": lease.ErrReleased, "revoked": lease.ErrRevoked, "replaced": lease.ErrReplaced,
}

// end reads the reply "gone".
func (r *reply) end() backend.End {
	e := backend.End{
		Err: endErrors[r.text(1)], Successor: lease.ID(r.text(2)), Actor: r.text(3), Reason: r.text(4),
	}
	if e.Err == nil {
		r.fail()
	}
	return e
}

// config reads the configuration of the reply "stale" and of others.
func (r *reply) config() lease.Config {
	c, err := decodeConfig(r.text(1))
	if err != nil && r.bad == nil {
		r.bad = err
	}
	return c
}

// lease reads a record, and how long it still lasts.
func (r *reply) lease(id lease.ID, record int) (lease.Lease, time.Duration) {
	decoded, err := decodeRecord(string(id), r.text(record))
	if err != nil {
		if r.bad == nil {
			r.bad = err
		}
		return lease.Lease{}, 0
	}
	return decoded.Lease(), span(decoded.Deadline - r.now)
}
