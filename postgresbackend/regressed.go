package postgresbackend

import (
	"fmt"

	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/lease"
)

// mark is an event that a commit of this handle has recorded.
type mark struct {
	seq  lease.Seq
	text string // as findMark reads it
}

// findMark reads the event that now has the number of a mark.
const findMark = `(SELECT h.recorded_at || ' ' || h.lease_id FROM {}.lease_history h WHERE h.namespace = $1 AND h.seq = $2)`

func markOf(e lease.Event, recorded int64) mark {
	return mark{seq: e.Seq, text: fmt.Sprint(recorded, " ", e.Lease.ID)}
}

// seen is what a handle knows of, and must find again.
type seen struct {
	token uint64
	mark
}

// seen is asked for before the handle begins to read.
func (s *Store) seen() seen {
	b := seen{token: s.newest.Load()}
	if m := s.mark.Load(); m != nil {
		b.mark = *m
	}
	return b
}

// regressed reports that commits which this handle knew of are gone: a replica
// that had not got everything has become the primary, or an older copy of the
// database was restored. Then the newest token is behind; or, once others have
// been granted newer ones, another event has the number of one that the handle
// has recorded. found is what findMark has read: nil if there is none.
func (s *Store) regressed(now rules.Counters, found *string, before seen) error {
	switch {
	case s.lost.Load(), uint64(now.Token) < before.token, now.Seq < before.seq, found != nil && *found != before.text:
		s.lost.Store(true)
		return fmt.Errorf("%w: %s has lost commits: token %d, event %d, and was at token %d, event %d", lease.ErrRegressed, s.database,
			now.Token, now.Seq, before.token, before.seq)
	}
	s.saw(now.Token)
	return nil
}

// saw notes that the token counter has come so far.
func (s *Store) saw(token lease.Token) {
	for newest := s.newest.Load(); newest < uint64(token) && !s.newest.CompareAndSwap(newest, uint64(token)); {
		newest = s.newest.Load()
	}
}
