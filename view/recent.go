package view

import (
	"encoding/json"
	"time"
	"unicode/utf8"

	"github.com/leasekit/leasekit/lease"
)

// recentEvents is how many events are kept for the time line and for streams
// that resume.
const recentEvents = 8192

// recent is the newest events, renewals left out: all those after a place in
// the history.
type recent struct {
	after   lease.Seq
	records []*record // oldest first
}

// record is an event, and its JSON form.
type record struct {
	event lease.Event
	json  []byte
}

func (r *recent) reset(head lease.Seq) { *r = recent{after: head} }

func (r *recent) add(e lease.Event) {
	r.records = append(r.records, newRecord(e))
	if len(r.records) > 2*recentEvents {
		// Half at a time: what is dropped is copied away once, not each time.
		drop := len(r.records) - recentEvents
		r.after = r.records[drop-1].event.Seq
		r.records = append([]*record(nil), r.records[drop:]...)
	}
}

// since returns the events after a place, and whether some are missing.
func (r *recent) since(after lease.Seq) (events []*record, gap bool) {
	i := len(r.records)
	for i > 0 && r.records[i-1].event.Seq > after {
		i--
	}
	return r.records[i:len(r.records):len(r.records)], after < r.after
}

// occurrence is the JSON form of an event in lists of events: of its lease only
// what a line shows.
type occurrence struct {
	Seq       lease.Seq       `json:"seq"`
	Kind      lease.Kind      `json:"kind"`
	At        time.Time       `json:"at"`
	ID        lease.ID        `json:"id,omitzero"`
	Holder    string          `json:"holder,omitzero"`
	Path      string          `json:"path,omitzero"` // of the first claim
	Claims    int             `json:"claims,omitzero"`
	Mode      lease.Mode      `json:"mode"`
	Scope     lease.Scope     `json:"scope"`
	Why       lease.EndReason `json:"why,omitzero"`
	Actor     string          `json:"actor,omitzero"`
	Reason    string          `json:"reason,omitzero"`
	CreatedAt time.Time       `json:"created_at,omitzero"`
	GrantedAt time.Time       `json:"granted_at,omitzero"`
	ExpiresAt time.Time       `json:"expires_at,omitzero"`
	Replaced  lease.ID        `json:"replaced,omitzero"`
	Successor lease.ID        `json:"replaced_by,omitzero"`
}

func occurrenceOf(e lease.Event) occurrence {
	o := occurrence{
		Seq: e.Seq, Kind: e.Kind, At: e.At, ID: e.Lease.ID, Holder: e.Lease.Holder, Claims: len(e.Lease.Claims),
		Why: e.Lease.EndReason, Actor: e.Actor, Reason: e.Reason,
		CreatedAt: e.Lease.CreatedAt, GrantedAt: e.Lease.GrantedAt, ExpiresAt: e.Lease.ExpiresAt,
		Replaced: e.Lease.Replaced, Successor: e.Lease.ReplacedBy,
	}
	if len(e.Lease.Claims) > 0 {
		c := e.Lease.Claims[0]
		o.Path, o.Mode, o.Scope = c.Path, c.Mode, c.Scope
	}
	return o
}

func newRecord(e lease.Event) *record {
	o := occurrenceOf(e)
	o.Path = shorten(o.Path)
	text, err := json.Marshal(o)
	if err != nil {
		// A mode or scope that this version does not know.
		text, _ = json.Marshal(problem{Code: "internal", Error: err.Error()})
	}
	return &record{event: e, json: text}
}

// shorten cuts a long text in its middle, for lists. Details have it whole.
func shorten(s string) string {
	const most = 512
	if len(s) <= most {
		return s
	}
	head, tail := s[:most/2], s[len(s)-most/2:]
	for len(head) > 0 && !utf8.RuneStart(s[len(head)]) {
		head = head[:len(head)-1]
	}
	for len(tail) > 0 && !utf8.RuneStart(tail[0]) {
		tail = tail[1:]
	}
	return head + "…" + tail
}
