package etcdbackend

import (
	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/lease"
)

// Records and tombstones are kept in a log: each transaction writes what it has
// changed into one key, since what a transaction costs in etcd is by the key. A
// later segment of the log tells the truth. As transactions replace what is in
// old segments, those become useless; the log is cleaned from its oldest end: what
// is still of use there is written once more, with what a transaction changes
// anyway, and the segment is deleted. So a removal need not be remembered longer
// than its segment: all that it removes is older.

// segment is what one transaction has written to the log.
type segment struct {
	number  int64     // of the transaction
	Records []*record // as they are now; never changed, but replaced
	Removed []lease.ID
	Buried  map[string]int64 // until when; 0: dug up
}

func (s *segment) entries() int { return len(s.Records) + len(s.Removed) + len(s.Buried) }

// contents are what the log tells.
type contents struct {
	records    *index
	tombstones map[string]int64
	segments   []*segment // that are in etcd, the oldest first
	entries    int        // in those
}

func newContents() contents { return contents{records: newIndex(), tombstones: map[string]int64{}} }

// add takes in a segment that follows.
func (c *contents) add(s *segment) {
	if s.entries() == 0 {
		return
	}
	for _, id := range s.Removed {
		c.records.remove(id)
	}
	for _, r := range s.Records {
		c.records.put((*rules.Record)(r))
	}
	for name, until := range s.Buried {
		if until == 0 {
			delete(c.tombstones, name)
		} else {
			c.tombstones[name] = until
		}
	}
	c.segments = append(c.segments, s)
	c.entries += s.entries()
}

// drop forgets the segments before this one, which are deleted.
func (c *contents) drop(oldest int64) {
	for len(c.segments) > 0 && c.segments[0].number < oldest {
		c.entries -= c.segments[0].entries()
		c.segments = c.segments[1:]
	}
}

const (
	// A log may have this many entries, besides two for each that is of use.
	spareEntries = 1000
	// A transaction moves at most as many records as it has entries, and this many.
	mostMoved = 16
)

// clean moves what is of use in the oldest segments into this transaction, if the
// log has become too long.
func (t *transaction) clean(o Options) {
	own := len(t.changed.byID) + len(t.removed) + len(t.buried)
	excess := t.entries + own - 2*(len(t.records.byID)+len(t.tombstones)) - o.spare
	left := own + mostMoved
	for _, s := range t.segments {
		if excess <= 0 {
			return
		}
		for _, r := range s.Records {
			if t.records.byID[r.ID] != (*rules.Record)(r) || t.changed.byID[r.ID] != nil || t.removed[r.ID] {
				continue // another segment has a newer one
			}
			if t.size += sizeOf(r.Claims, r.Labels); left == 0 || t.size > o.MaxTxnBytes/2 {
				return // the next transaction goes on
			}
			left--
			moved := rules.Record(*r) // the segment's own is of no use any more
			t.changed.put(&moved)
		}
		for name, until := range s.Buried {
			if _, changed := t.buried[name]; !changed && until > t.head.Counters.Now && t.tombstones[name] == until {
				t.buried[name] = until
				t.size += len(name) + 50
			}
		}
		excess -= s.entries()
		t.head.Log = s.number + 1
	}
}
