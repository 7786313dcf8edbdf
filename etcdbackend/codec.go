package etcdbackend

import (
	"bytes"
	"compress/flate"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/lease"
)

// layout is the number of the form in which everything is stored.
const layout = 2

// head is what a namespace has one of. It is written by every transaction, which
// compares its revision: so transactions form a chain.
type head struct {
	Layout   int        `json:"layout"`
	Batch    string     `json:"batch"`    // names the transaction that wrote it
	Previous string     `json:"previous"` // and the one before
	Client   string     `json:"client"`   // and the process
	Number   int64      `json:"number"`   // of the transaction, one more each time
	Log      int64      `json:"log"`      // the transaction with the oldest segment of the log
	Counters counters   `json:"counters"`
	Oldest   lease.Seq  `json:"oldest"`          // of the events that are kept; one more than Counters.Seq if none is
	OldestAt int64      `json:"oldest_at"`       // not after that one was recorded, ms
	Woken    []lease.ID `json:"woken,omitempty"` // the waiters that the transaction hints at
}

// counters, record: the fields of the rules' types as they are stored. The
// conversions do not compile if those change.
type counters struct {
	Seq        lease.Seq   `json:"seq"`
	Token      lease.Token `json:"token"`
	Arrivals   int64       `json:"arrivals"`
	Waiting    int         `json:"waiting"`
	Tombstones int64       `json:"tombstones"`
	Subleases  int         `json:"subleases"`
	Now        int64       `json:"now"`
	Refused    uint64      `json:"refused"`
}

type record struct {
	ID          lease.ID          `json:"id,omitempty"`
	Holder      string            `json:"holder,omitempty"`
	Claims      []lease.Claim     `json:"claims,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	TTL         int64             `json:"ttl,omitempty"`
	MaxRenewals int               `json:"max_renewals,omitempty"`
	Priority    int               `json:"priority,omitempty"`
	Distinct    bool              `json:"distinct,omitempty"`
	Replace     lease.Ref         `json:"replace,omitzero"`
	Parent      lease.Ref         `json:"parent,omitzero"`
	Chain       []lease.ID        `json:"chain,omitempty"`

	Client   string `json:"client,omitempty"`
	Attempts string `json:"attempts,omitempty"`
	Arrival  int64  `json:"arrival,omitempty"`
	Key      int64  `json:"key,omitempty"`

	Status    lease.Status    `json:"status"`
	EndReason lease.EndReason `json:"end_reason,omitempty"`
	Successor lease.ID        `json:"successor,omitempty"`
	Actor     string          `json:"actor,omitempty"`
	Reason    string          `json:"reason,omitempty"`
	Token     lease.Token     `json:"token,omitempty"`
	Renewals  int             `json:"renewals,omitempty"`
	RenewOp   string          `json:"renew_op,omitempty"`

	Created  int64 `json:"created,omitempty"`
	Granted  int64 `json:"granted,omitempty"`
	Deadline int64 `json:"deadline,omitempty"`
	Updated  int64 `json:"updated,omitempty"`
	Ended    int64 `json:"ended,omitempty"`
}

// events are those of one key, in order.
type events []event

// event is an entry of the history.
type event struct {
	Seq      lease.Seq  `json:"seq"`
	Kind     lease.Kind `json:"kind"`
	At       int64      `json:"at"`
	Recorded int64      `json:"recorded"`
	Actor    string     `json:"actor,omitempty"`
	Reason   string     `json:"reason,omitempty"`
	Lease    record     `json:"lease,omitzero"`

	first lease.Seq // by which the key that it is in is named
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

// pack returns the value of a key. Records and events are much alike, and are
// most of what a namespace takes up: more than a few are compressed.
func pack(value any) (string, error) {
	text, err := encode(value)
	if err != nil || len(text) < leastPacked {
		return text, err
	}
	var packed strings.Builder
	w := packers.Get().(*flate.Writer)
	defer packers.Put(w)
	w.Reset(&packed)
	if _, err = io.WriteString(w, text); err == nil {
		err = w.Close()
	}
	return packed.String(), err
}

// unpack reads what pack wrote: JSON begins with a bracket or brace, and nothing
// that is compressed does.
func unpack[T any](kv *mvccpb.KeyValue) (T, error) {
	value := kv.Value
	if len(value) > 0 && value[0] != '[' && value[0] != '{' {
		r := flate.NewReader(bytes.NewReader(value))
		text, err := io.ReadAll(io.LimitReader(r, mostPacked))
		if err != nil {
			var none T
			return none, fmt.Errorf("the value of %q: %w", kv.Key, err)
		}
		value = text
	}
	return decode[T](kv.Key, value)
}

// unpackEvents reads a key of the history.
func unpackEvents(kv *mvccpb.KeyValue) (events, error) {
	some, err := unpack[events](kv)
	for i := range some {
		some[i].first = some[0].Seq
	}
	return some, err
}

const (
	leastPacked = 1 << 10
	mostPacked  = 64 << 20 // no transaction has that much
)

var packers = sync.Pool{New: func() any {
	w, _ := flate.NewWriter(nil, flate.BestSpeed) // the level is a valid one
	return w
}}

// encode returns a value as JSON.
func encode(value any) (string, error) {
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // it would make some paths six times as long
	err := encoder.Encode(value)
	return strings.TrimSuffix(text.String(), "\n"), err
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// decode reads a value of a key of ours.
func decode[T any](key, value []byte) (T, error) {
	var into T
	if err := json.Unmarshal(value, &into); err != nil {
		return into, fmt.Errorf("the value of %q: %w", key, err)
	}
	return into, nil
}

func unpackHead(kv *mvccpb.KeyValue) (head, error) {
	h, err := unpack[head](kv)
	if err == nil && h.Layout != layout {
		err = fmt.Errorf("%w: layout %d, this one knows %d", ErrNewerLayout, h.Layout, layout)
	}
	return h, err
}
