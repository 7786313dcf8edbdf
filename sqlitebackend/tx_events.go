package sqlitebackend

import (
	"strings"

	"github.com/leasekit/leasekit/internal/rowtext"
	"github.com/leasekit/leasekit/lease"
)

// Append implements [rules.Tx].
func (t *transaction) Append(e lease.Event) error {
	var body any
	if e.Lease.ID != "" {
		text, err := rowtext.AppendLease(t.store.room.text[:0], &e.Lease)
		if err != nil {
			return err
		}
		t.store.room.text = text
		body = string(text)
	}
	number := t.store.room.number
	t.events = append(t.events, base(t.namespace)+int64(e.Seq), t.namespace, string(e.Kind), number(e.At.UnixMilli()), number(t.counters.Now),
		text(e.Lease.ID), body, text(e.Actor), text(e.Reason))
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
