package etcdbackend

import (
	"fmt"
	"time"

	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/lease"
)

// layout is the number of the form in which everything is stored.
const layout = 3

// head is what a namespace has one of. It is written by every transaction, which
// compares its revision: so transactions form a chain.
type head struct {
	Layout   int
	Batch    string // names the transaction that wrote it
	Previous string // and the one before
	Client   string // and the process
	Number   int64  // of the transaction, one more each time
	Log      int64  // the transaction with the oldest segment of the log
	Counters counters
	Oldest   lease.Seq  // of the events that are kept; one more than Counters.Seq if none is
	OldestAt int64      // not after that one was recorded, ms
	Woken    []lease.ID // the waiters that the transaction hints at
}

func (h *head) code(c *coder) {
	integer(c, &h.Layout)
	if c.reading && h.Layout != layout {
		c.err = fmt.Errorf("%w: layout %d, this one knows %d", ErrNewerLayout, h.Layout, layout)
		return
	}
	name(c, &h.Batch)
	name(c, &h.Previous)
	name(c, &h.Client)
	integer(c, &h.Number)
	integer(c, &h.Log)
	h.Counters.code(c)
	number(c, &h.Oldest)
	integer(c, &h.OldestAt)
	list(c, &h.Woken, name)
}

// counters, record: the fields of the rules' types as they are stored. The
// conversions do not compile if those change.
type counters struct {
	Seq        lease.Seq
	Token      lease.Token
	Arrivals   int64
	Waiting    int
	Tombstones int64
	Subleases  int
	Now        int64
	Refused    uint64
}

func (n *counters) code(c *coder) {
	number(c, &n.Seq)
	number(c, &n.Token)
	integer(c, &n.Arrivals)
	integer(c, &n.Waiting)
	integer(c, &n.Tombstones)
	integer(c, &n.Subleases)
	integer(c, &n.Now)
	number(c, &n.Refused)
}

type record struct {
	ID          lease.ID
	Holder      string
	Claims      []lease.Claim
	Labels      map[string]string
	TTL         int64
	MaxRenewals int
	Priority    int
	Distinct    bool
	Replace     lease.Ref
	Parent      lease.Ref
	Chain       []lease.ID

	Client   string
	Attempts string
	Arrival  int64
	Key      int64

	Status    lease.Status
	EndReason lease.EndReason
	Successor lease.ID
	Actor     string
	Reason    string
	Token     lease.Token
	Renewals  int
	RenewOp   string

	Created  int64
	Granted  int64
	Deadline int64
	Updated  int64
	Ended    int64
}

// code has what differs between records first, and together what is mostly not
// there: so they can be compressed.
func (r *record) code(c *coder) {
	name(c, &r.ID)
	name(c, &r.Attempts)
	text(c, &r.Holder)
	list(c, &r.Claims, codeClaim)
	integer(c, &r.Arrival)
	number(c, &r.Token)
	c.moment(&r.Created)
	c.moment(&r.Key)
	c.moment(&r.Granted)
	c.moment(&r.Deadline)
	c.moment(&r.Updated)
	c.moment(&r.Ended)
	number(c, &r.Status)
	text(c, &r.EndReason)
	name(c, &r.Client)
	integer(c, &r.TTL)
	integer(c, &r.MaxRenewals)
	integer(c, &r.Renewals)
	text(c, &r.RenewOp)
	integer(c, &r.Priority)
	c.flag(&r.Distinct)
	table(c, &r.Labels, text)
	codeRef(c, &r.Replace)
	codeRef(c, &r.Parent)
	list(c, &r.Chain, name)
	name(c, &r.Successor)
	text(c, &r.Actor)
	text(c, &r.Reason)
}

func codeClaim(c *coder, v *lease.Claim) {
	text(c, &v.Path)
	number(c, &v.Mode)
	number(c, &v.Scope)
}

func codeRef(c *coder, r *lease.Ref) {
	name(c, &r.ID)
	text(c, &r.Holder)
	number(c, &r.Token)
}

func (s *segment) code(c *coder) {
	integer(c, &c.base)
	list(c, &s.Records, func(c *coder, r **record) {
		if c.reading {
			*r = &record{}
		}
		(*r).code(c)
	})
	list(c, &s.Removed, name)
	table(c, &s.Buried, integer)
}

// events are those of one key, in order.
type events []event

func (e *events) code(c *coder) {
	integer(c, &c.base)
	list(c, (*[]event)(e), func(c *coder, e *event) { e.code(c) })
	for i := range *e {
		(*e)[i].first = (*e)[0].Seq
	}
}

// event is an entry of the history.
type event struct {
	Seq      lease.Seq
	Kind     lease.Kind
	At       int64
	Recorded int64
	Actor    string
	Reason   string
	Lease    record

	first lease.Seq // by which the key that it is in is named
}

func (e *event) code(c *coder) {
	number(c, &e.Seq)
	text(c, &e.Kind)
	c.moment(&e.At)
	c.moment(&e.Recorded)
	text(c, &e.Actor)
	text(c, &e.Reason)
	e.Lease.code(c)
}

func eventOf(e lease.Event, recorded int64) event {
	stored := event{Seq: e.Seq, Kind: e.Kind, At: millis(e.At), Recorded: recorded, Actor: e.Actor, Reason: e.Reason}
	if l := e.Lease; l.ID != "" {
		stored.Lease = record{
			ID: l.ID, Holder: l.Holder, Claims: l.Claims, Labels: l.Labels, TTL: l.TTL.Milliseconds(),
			MaxRenewals: l.MaxRenewals, Priority: l.Priority, Distinct: l.Distinct,
			Replace: lease.Ref{ID: l.Replaced}, Parent: lease.Ref{ID: l.Parent},
			Status: l.Status, EndReason: l.EndReason, Successor: l.ReplacedBy, Actor: l.Revoked.Actor, Reason: l.Revoked.Reason,
			Token: l.Token, Renewals: l.Renewals,
			Created: millis(l.CreatedAt), Granted: millis(l.GrantedAt), Deadline: millis(l.ExpiresAt), Updated: millis(l.UpdatedAt),
		}
	}
	return stored
}

func (e event) event() lease.Event {
	shown := lease.Event{Seq: e.Seq, Kind: e.Kind, At: time.UnixMilli(e.At).UTC(), Actor: e.Actor, Reason: e.Reason}
	if e.Lease.ID != "" {
		r := copied((*rules.Record)(&e.Lease))
		shown.Lease = r.Lease()
	}
	return shown
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
