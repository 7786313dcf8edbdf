package etcdbackend

import (
	"context"
	"slices"
	"sync"

	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/lease"
)

// mirror is a copy of the namespace in this process, as it is at one revision of
// its head: as the watch tells, or a transaction of our own that was committed.
// It may be behind; what is decided by it is compared with the head in etcd
// before anybody is told.
type mirror struct {
	mutex sync.RWMutex  // guards what follows
	moved chan struct{} // closed, and made anew, when something changes

	contents

	rev     int64 // of the head
	head    head
	config  lease.Config
	clients map[string]bool  // that are alive
	turns   map[string]int64 // processes that are in line, and since which revision of etcd
	told    int64            // the newest revision of etcd that the watch told
	recent  []events         // the newest events, without a gap up to Counters.Seq; elements are never changed
	links   []link           // the newest transactions
	err     error            // why the mirror cannot be used

	sent *change // the transaction of our own that is on its way; nil if there is none
}

// link says which transaction followed that with this revision.
type link struct {
	base  int64
	batch string
}

const (
	maxRecent = 128 // transactions of which the events are in memory
	maxLinks  = 256
)

// change is what one transaction has changed.
type change struct {
	rev     int64 // of the head
	head    head
	config  *lease.Config
	segment *segment
	events  events

	// Of a transaction of our own:
	hinted []lease.ID    // the waiters that were woken and know it already
	taken  chan struct{} // closed when the mirror has taken it in
}

// apply takes in the transaction that follows. The mutex is held.
func (m *mirror) apply(c *change) {
	m.links = append(m.links, link{base: m.rev, batch: c.head.Batch})
	if len(m.links) > maxLinks {
		m.links = append([]link(nil), m.links[maxLinks/2:]...)
	}
	m.rev, m.head = c.rev, c.head
	if c.config != nil {
		m.config = *c.config
	}
	c.segment.number = c.head.Number
	m.add(c.segment)
	m.drop(c.head.Log)
	if len(c.events) > 0 {
		m.recent = append(m.recent, c.events)
	}
	if len(m.recent) > 2*maxRecent {
		m.recent = append([]events(nil), m.recent[maxRecent:]...)
	}
	m.signal()
}

// expect says which transaction of our own is on its way.
func (m *mirror) expect(c *change) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.sent = c
}

// applyOwn takes in the transaction of our own, which etcd has committed: as the
// answer or the watch tells, whichever comes first. The mutex is held.
func (m *mirror) applyOwn(rev int64, notify func(...lease.ID)) {
	c := m.sent
	if c == nil || rev <= m.rev {
		return
	}
	m.sent, c.rev = nil, rev
	m.apply(c)
	close(c.taken)
	for _, id := range c.head.Woken {
		if !slices.Contains(c.hinted, id) {
			notify(id)
		}
	}
}

// reset takes in a snapshot. The mutex is held.
func (m *mirror) reset(s *snapshot) {
	m.rev, m.head, m.config, m.contents = s.rev, s.head, s.config, s.contents
	m.clients, m.turns, m.told = s.clients, s.turns, s.at
	m.recent, m.links, m.err = nil, nil, nil
	m.signal()
}

// behind returns the first waiter, of a client that is alive, behind each waiter
// of one that is gone: nobody else wakes them. The mutex is held.
func (m *mirror) behind(client string) []lease.ID {
	var ids []lease.ID
	for _, gone := range m.records.live {
		if gone.Status != lease.Pending || gone.Client != client {
			continue
		}
		var first *rules.Record
		for r := range m.records.overlapping(gone.Claims, lease.Pending) {
			if gone.Place().Before(r.Place()) && (first == nil || r.Place().Before(first.Place())) && (r.Client == "" || m.clients[r.Client]) {
				first = r
			}
		}
		if first != nil && !slices.Contains(ids, first.ID) {
			ids = append(ids, first.ID)
		}
	}
	return ids
}

func (m *mirror) signal() {
	if m.moved != nil {
		close(m.moved)
	}
	m.moved = make(chan struct{})
}

// fail makes the mirror unusable until it is reset.
func (m *mirror) fail(err error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.err = err
	m.signal()
}

// wait returns when the mirror has come to this revision of the head.
func (m *mirror) wait(ctx context.Context, rev int64) error {
	for {
		m.mutex.RLock()
		now, moved, err := m.rev, m.moved, m.err
		m.mutex.RUnlock()
		switch {
		case err != nil:
			return err
		case now >= rev:
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// followed returns the name of the transaction that came after the one with this
// revision, and false if that is not known.
func (m *mirror) followed(base int64) (batch string, known bool) {
	m.mutex.RLock()
	defer m.mutex.RUnlock()
	for _, l := range m.links {
		if l.base == base {
			return l.batch, true
		}
	}
	return "", false
}
