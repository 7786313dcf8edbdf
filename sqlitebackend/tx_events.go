package sqlitebackend

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/leasekit/leasekit/lease"
)

// past is a lease in lease_history: shorter, and faster to write, than a
// lease.Lease. Times are those of rules.Record; the ID has a column of its own.
// appendPast writes it.
type past struct {
	Token       lease.Token       `json:"token"`
	Holder      string            `json:"holder"`
	Claims      []claimText       `json:"claims"`
	Status      string            `json:"status"`
	EndReason   lease.EndReason   `json:"end_reason"`
	TTL         int64             `json:"ttl"`
	Renewals    int               `json:"renewals"`
	MaxRenewals int               `json:"max_renewals"`
	Priority    int               `json:"priority"`
	Distinct    bool              `json:"distinct"`
	Labels      map[string]string `json:"labels"`
	Replaced    lease.ID          `json:"replaced"`
	ReplacedBy  lease.ID          `json:"replaced_by"`
	Parent      lease.ID          `json:"parent"`
	Actor       string            `json:"actor"`
	Reason      string            `json:"note"`
	Created     int64             `json:"created_at"`
	Granted     int64             `json:"granted_at"`
	Deadline    int64             `json:"deadline"`
	Updated     int64             `json:"updated_at"`
}

// appendPast appends the JSON of a past, without what is empty. It is written
// for every renewal, so by hand: encoding/json takes four times as long, and
// leaves twice as much garbage.
func appendPast(b []byte, l *lease.Lease) ([]byte, error) {
	b = append(b, `{"holder":`...)
	b = appendText(b, l.Holder)
	b = append(b, `,"claims":`...)
	b = appendClaims(b, l.Claims)
	b = appendTextField(b, "status", l.Status.String())
	b = appendTextField(b, "end_reason", string(l.EndReason))
	b = appendTextField(b, "replaced", string(l.Replaced))
	b = appendTextField(b, "replaced_by", string(l.ReplacedBy))
	b = appendTextField(b, "parent", string(l.Parent))
	b = appendTextField(b, "actor", l.Revoked.Actor)
	b = appendTextField(b, "note", l.Revoked.Reason)
	b = appendNumberField(b, "token", int64(l.Token))
	b = appendNumberField(b, "ttl", l.TTL.Milliseconds())
	b = appendNumberField(b, "renewals", int64(l.Renewals))
	b = appendNumberField(b, "max_renewals", int64(l.MaxRenewals))
	b = appendNumberField(b, "priority", int64(l.Priority))
	b = appendNumberField(b, "created_at", millis(l.CreatedAt))
	b = appendNumberField(b, "granted_at", millis(l.GrantedAt))
	b = appendNumberField(b, "deadline", millis(l.ExpiresAt))
	b = appendNumberField(b, "updated_at", millis(l.UpdatedAt))
	if l.Distinct {
		b = append(b, `,"distinct":true`...)
	}
	if len(l.Labels) > 0 {
		labels, err := json.Marshal(l.Labels)
		if err != nil {
			return nil, err
		}
		b = append(append(b, `,"labels":`...), labels...)
	}
	return append(b, '}'), nil
}

func appendTextField(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	b = append(append(append(b, `,"`...), name...), `":`...)
	return appendText(b, value)
}

func appendNumberField(b []byte, name string, value int64) []byte {
	if value == 0 {
		return b
	}
	b = append(append(append(b, `,"`...), name...), `":`...)
	return strconv.AppendInt(b, value, 10)
}

// Append implements [rules.Tx].
func (t *transaction) Append(e lease.Event) error {
	var body any
	if e.Lease.ID != "" {
		text, err := appendPast(t.store.room.text[:0], &e.Lease)
		if err != nil {
			return err
		}
		t.store.room.text = text
		body = string(text)
	}
	t.events = append(t.events, base(t.namespace)+int64(e.Seq), t.namespace, string(e.Kind), e.At.UnixMilli(), t.counters.Now, text(e.Lease.ID), body,
		text(e.Actor), text(e.Reason))
	if len(t.events) == maxEvents*eventColumns {
		return t.writeEvents()
	}
	return nil
}

// maxEvents is how many events one statement writes at most.
const (
	maxEvents    = 32
	eventColumns = 9
)

// insertEvents returns the statement that writes n events.
func insertEvents(n int) string {
	const row = `(?, ?, ?, ?, ?, ?, ?, ?, ?)`
	return `INSERT INTO lease_history (place, namespace, kind, at, recorded_at, lease_id, lease, actor, reason) VALUES ` +
		row + strings.Repeat(`, `+row, n-1)
}

// writeEvents writes what Append has collected: it is called before anything
// reads lease_history, and before the end. Of statements there are those for 32
// events, 16, ... and 1.
func (t *transaction) writeEvents() error {
	left := t.events
	for n := maxEvents; n > 0; n /= 2 {
		for ; len(left) >= n*eventColumns; left = left[n*eventColumns:] {
			if _, err := t.change(insertEvents(n), left[:n*eventColumns]...); err != nil {
				return err
			}
		}
	}
	clear(t.events)
	t.events = t.events[:0]
	t.store.room.events = t.events
	return nil
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// Trim implements [rules.Tx].
func (t *transaction) Trim(before int64, keep, limit int) (int, error) {
	if err := t.writeEvents(); err != nil {
		return 0, err
	}
	low, high := span(t.namespace)
	beyond := low // events up to this one are beyond the newest keep
	if keep > 0 {
		beyond += int64(t.counters.Seq) - int64(keep)
	}
	return t.change(`DELETE FROM lease_history WHERE place IN (
		SELECT place FROM lease_history WHERE place > ?1 AND place < ?2 AND (recorded_at <= ?3 OR place <= ?4)
			AND place < (SELECT min(place) FROM lease_history WHERE place > ?1 AND place < ?2) + ?5
		ORDER BY place LIMIT ?5)`, low, high, before, beyond, limit)
}
