package view

import (
	"slices"
	"sync"
	"time"

	"github.com/leasekit/leasekit/lease"
)

// mirrored is how many leases and waiters are kept at most.
const mirrored = 200_000

// mirror is a copy of the active leases and the waiters, and of the newest
// events, kept up to date by the feed.
type mirror struct {
	loaded chan struct{} // closed once there is something to show
	failed chan struct{} // closed when the first reading failed

	mu       sync.Mutex
	entries  map[lease.ID]*entry
	complete bool
	seq      lease.Seq // the newest event that was applied
	version  uint64    // rises with each change
	changed  chan struct{}
	recent   recent
	stats    lease.Stats
	config   lease.Config
	clock    clock
	err      error // why there is nothing yet, or why the copy is not fresh
	away     time.Time
	began    time.Time // when the copy was first read
	over     bool

	generation uint64 // of the reading under way
	ended      map[lease.ID]bool
	shown      *snapshot
	cost       time.Duration // of making it
}

// entry is a lease, and the reading during which an event last changed it.
type entry struct {
	lease   lease.Lease
	touched uint64
}

func newMirror() *mirror {
	return &mirror{
		loaded: make(chan struct{}), failed: make(chan struct{}), changed: make(chan struct{}),
		entries: map[lease.ID]*entry{},
		// A version is not to fall when a server restarts.
		version: uint64(time.Now().UnixMilli()) << 8,
	}
}

// clock tells the store's time from one reading of it.
type clock struct{ store, local time.Time }

func (c clock) now() time.Time {
	if c.local.IsZero() {
		return time.Time{}
	}
	return c.store.Add(time.Since(c.local))
}

// tick takes the store's time from an answer to what was asked at that moment.
func (m *mirror) tick(stats lease.Stats, asked time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	took := time.Since(asked)
	m.stats = stats
	m.clock = clock{store: stats.Now.Add(took / 2), local: time.Now()}
}

// load begins with what a List returned after the history's head was read.
func (m *mirror) load(stats lease.Stats, config lease.Config, leases []lease.Lease, complete bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.entries = make(map[lease.ID]*entry, len(leases))
	for _, l := range leases {
		m.entries[l.ID] = &entry{lease: plain(l)}
	}
	m.complete, m.config, m.seq = complete, config, stats.Head
	m.recent.reset(stats.Head)
	m.err, m.away, m.began = nil, time.Time{}, m.clock.now()
	m.note()
}

// ready lets the viewers in.
func (m *mirror) ready() {
	m.mu.Lock()
	defer m.mu.Unlock()
	select {
	case <-m.loaded:
	default:
		close(m.loaded)
	}
}

// plain drops what the page never shows.
func plain(l lease.Lease) lease.Lease {
	l.Token = 0
	return l
}

// remember keeps the events from before the head, all those after a place.
func (m *mirror) remember(past []lease.Event, after lease.Seq) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range past {
		e.Lease = plain(e.Lease)
		m.recent.add(e)
	}
	m.recent.after = after
}

// apply follows an event.
func (m *mirror) apply(e lease.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e.Seq <= m.seq {
		return
	}
	m.seq = e.Seq
	e.Lease = plain(e.Lease)
	id := e.Lease.ID
	switch e.Kind {
	case lease.KindRenewed:
		m.put(e.Lease)
		m.version++
		return // a countdown that moves is no hurry
	case lease.KindQueued, lease.KindGranted, lease.KindRelabelled:
		m.put(e.Lease)
	case lease.KindConfig:
	default:
		delete(m.entries, id)
		if m.ended != nil {
			m.ended[id] = true
		}
	}
	m.recent.add(e)
	m.note()
}

// put keeps a lease as an event told it. A renewal that List has overtaken does
// not move the expiry back.
func (m *mirror) put(l lease.Lease) {
	old := m.entries[l.ID]
	switch {
	case old == nil && len(m.entries) >= mirrored:
		m.complete = false
		return
	case old != nil && old.lease.GrantedAt.Equal(l.GrantedAt) && l.Renewals < old.lease.Renewals:
		return
	}
	m.entries[l.ID] = &entry{lease: l, touched: m.generation}
	delete(m.ended, l.ID)
}

// stale says what to read again, and how often, because no event tells it.
func (m *mirror) stale() (q lease.Query, every time.Duration, needed bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.config.History {
		return lease.Query{}, time.Second, true
	}
	now := m.clock.now()
	for _, e := range m.entries {
		switch {
		case e.lease.Status == lease.Pending:
			q, every, needed = lease.Query{Status: []lease.Status{lease.Pending}}, 5*time.Second, true
		case !m.config.HistoryRenewals && !e.lease.ExpiresAt.After(now.Add(time.Second)):
			return lease.Query{}, time.Second, true
		}
	}
	return q, every, needed
}

// begin starts a reading: what events change from here on, it does not.
func (m *mirror) begin() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.generation++
	m.ended = map[lease.ID]bool{}
}

// settle takes over a reading, except where an event was newer.
func (m *mirror) settle(q lease.Query, leases []lease.Lease, complete bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := make(map[lease.ID]bool, len(leases))
	changed := false
	for _, l := range leases {
		found[l.ID] = true
		old := m.entries[l.ID]
		if m.ended[l.ID] || old != nil && old.touched == m.generation {
			continue
		}
		if old == nil && len(m.entries) >= mirrored {
			complete = false
			continue
		}
		changed = changed || old == nil || old.lease.Status != l.Status || l.Status == lease.Active && !old.lease.ExpiresAt.Equal(l.ExpiresAt)
		m.entries[l.ID] = &entry{lease: plain(l)}
	}
	if complete {
		for id, e := range m.entries {
			if !found[id] && e.touched != m.generation && listed(q, e.lease.Status) {
				delete(m.entries, id)
				changed = true
			}
		}
	}
	m.ended = nil
	m.complete = complete && (m.complete || len(q.Status) == 0)
	if changed {
		m.note()
	}
}

// listed reports whether a List by q shows a lease of this status.
func listed(q lease.Query, s lease.Status) bool {
	if len(q.Status) == 0 {
		return !s.Ended()
	}
	return slices.Contains(q.Status, s)
}

// expire notices that a lease that was shown has reached its end.
func (m *mirror) expire() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.shown != nil && m.shown.Version == m.version && !m.clock.now().Before(m.shown.until) {
		m.note()
	}
}

func (m *mirror) configure(c lease.Config) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c.Version != m.config.Version {
		m.config = c
		m.note()
	}
}

// reach notes whether the store answers.
func (m *mirror) reach(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case err == nil && m.err != nil:
		m.err, m.away = nil, time.Time{}
		m.note()
	case err != nil && m.err == nil:
		m.err, m.away = err, m.clock.now()
		m.note()
	}
}

// fail notes why the feed stopped for a while, or for good.
func (m *mirror) fail(err error, over bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away.IsZero() {
		m.away = m.clock.now()
	}
	m.err, m.over = err, over
	select {
	case <-m.failed:
	default:
		close(m.failed)
	}
	m.note()
}

func (m *mirror) trouble() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}

// isOver reports whether the mirror is not followed any more.
func (m *mirror) isOver() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.over
}

// note wakes the streams. m.mu is held.
func (m *mirror) note() {
	m.version++
	close(m.changed)
	m.changed = make(chan struct{})
}

// update is what a stream has to send.
type update struct {
	now     time.Time
	version uint64
	seq     lease.Seq
	events  []*record
	gap     bool // some events after the one asked for are not known any more
	away    time.Time
	err     error
	over    bool
	changed <-chan struct{}
}

// since returns what came after an event.
func (m *mirror) since(after lease.Seq) update {
	m.mu.Lock()
	defer m.mu.Unlock()
	events, gap := m.recent.since(after)
	return update{
		now: m.clock.now(), version: m.version, seq: m.seq, events: events, gap: gap || after > m.seq,
		away: m.away, err: m.err, over: m.over, changed: m.changed,
	}
}

// past returns the known events, oldest first, and the one they come after.
func (m *mirror) past() ([]*record, lease.Seq) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.recent.records), m.recent.after
}
