package sqlitebackend

import (
	"errors"
	"fmt"

	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/sqlitebackend/internal/sqlitedb"
)

// transaction is a batch as the steps in it see it: it implements [rules.Tx].
// Its methods stand in the files named tx_: claims and overlaps, records, events,
// tombstones, sweeping, configuration.
type transaction struct {
	*sqlitedb.Batch
	store     *Store
	namespace int64

	counted
	config  lease.Config
	written bool // something else than the counters has changed
	waits   bool // a waiter is this handle's
	found   readAhead
	events  []any      // that are not written yet: the columns of each
	woken   []lease.ID // by the step that runs
}

// counted is a row of lease_counters.
type counted struct {
	counters rules.Counters
	origin   origin // of the clock
	ended    int    // rows of leases that have ended
	wakes    int64  // the newest leases.woken
}

// The counters of a namespace with the version of its configuration, and how
// they are written back.
var readCounters = `SELECT ` + unnamed(`k.seq, k.token, k.arrivals, k.waiting, k.buried, k.now, k.boot, k."offset", k.refused,
	k.ended, k.wakes, k.subleases, c.version`) + ` FROM lease_counters k JOIN lease_configs c USING (namespace) WHERE k.namespace = ?`

// room is what transactions use again, one after the other.
type room struct {
	transaction transaction
	step        rules.Step
	counted     counted // as it is in the file
	version     uint64  // of the configuration there; 0 if both are not known
	row         row
	fields      []any                 // pointers to those of row
	values      []any                 // of a record
	args        []any                 // of a query for overlaps
	events      []any                 // see transaction.events
	numbers     [16]any               // see number
	text        []byte                // of an event
	recent      map[lease.ID]struct{} // records that this handle has put, some of them
}

// number returns n as an argument. The same few times and keys are arguments of most
// statements of a batch; so each takes memory once, not each time.
func (r *room) number(n int64) any {
	kept := &r.numbers[uint64(n)%uint64(len(r.numbers))]
	if was, ok := (*kept).(int64); !ok || was != n {
		*kept = n
	}
	return *kept
}

const writeOrigin = `UPDATE lease_counters SET boot = ?, "offset" = ? WHERE namespace = ?`

// begin reads, once in each transaction, what every step needs.
func (s *Store) begin(b *sqlitedb.Batch) error {
	room, tx := &s.room, &s.room.transaction
	*tx = transaction{Batch: b, store: s, namespace: s.namespace, events: s.room.events[:0]}
	b.State = tx
	if s.namespace == 0 { // Open makes it in its first transaction
		return nil
	}
	newest := s.newest.Load()
	if !b.Alone || room.version == 0 { // else nobody has changed what this handle has written
		if err := s.readCounters(b); err != nil {
			return err
		}
	}
	if err := s.regressed(room.counted.counters.Token, newest); err != nil {
		return err
	}
	tx.counted = room.counted
	if tx.origin.boot != s.clock.id {
		tx.origin = s.clock.continued(tx.counters.Now, s.clock.read())
		tx.written = true // before anybody is answered by it
	}
	tx.counters.Refused += s.refused.Load()
	if known := s.config.Load(); known != nil && known.Version == room.version {
		tx.config = *known
		return nil
	}
	return tx.readConfig()
}

// readCounters reads the row of lease_counters and the version of the configuration.
func (s *Store) readCounters(b *sqlitedb.Batch) error {
	r := &s.room.counted
	c := &r.counters
	found, err := b.Get(readCounters, []any{s.namespace},
		&c.Seq, &c.Token, &c.Arrivals, &c.Waiting, &c.Tombstones, &c.Now, &r.origin.boot, &r.origin.at, &c.Refused,
		&r.ended, &r.wakes, &c.Subleases, &s.room.version)
	if err == nil && !found {
		err = sqlitedb.Unavailable("begin", errNamespaceGone)
	}
	return err
}

// errNamespaceGone: somebody has deleted rows of ours. To go on with new
// counters would hand out old tokens again.
var errNamespaceGone = errors.New("the namespace's counters have been deleted")

// regressed reports that the newest token is behind the one that this handle
// knew of before it began to read: an old copy was written over the file.
func (s *Store) regressed(token lease.Token, before uint64) error {
	if uint64(token) < before {
		return fmt.Errorf("%w: it is %d and was %d: an old copy was written over %s", lease.ErrRegressed, token, before, s.db.Name())
	}
	for newest := before; newest < uint64(token) && !s.newest.CompareAndSwap(newest, uint64(token)); {
		newest = s.newest.Load()
	}
	return nil
}

// finish writes the counters once, if any step has changed something.
func (s *Store) finish(b *sqlitedb.Batch) error {
	tx := b.State.(*transaction)
	if err := tx.writeEvents(); err != nil {
		return err
	}
	if s.faults != nil {
		if err := s.faults.Commit(); err != nil {
			return err
		}
	}
	c := tx.counters
	if !tx.written {
		// A refusal is no reason to write: what it counted is kept for the next
		// transaction that has one.
		s.refused.Store(c.Refused - s.room.counted.counters.Refused)
		return nil
	}
	if err := tx.writeClient(); err != nil {
		return err
	}
	number := s.room.number
	err := b.Exec(`UPDATE lease_counters SET seq = ?, token = ?, arrivals = ?, waiting = ?, buried = ?, now = ?,
		refused = ?, ended = ?, wakes = ?, subleases = ? WHERE namespace = ?`,
		int64(c.Seq), number(int64(c.Token)), number(c.Arrivals), c.Waiting, number(c.Tombstones), number(c.Now),
		int64(c.Refused), tx.ended, tx.wakes, c.Subleases, tx.namespace)
	if err == nil && tx.origin != s.room.counted.origin {
		err = b.Exec(writeOrigin, tx.origin.boot, tx.origin.at, tx.namespace)
	}
	if err == nil {
		s.refused.Store(0)
		s.room.counted, s.room.version = tx.counted, tx.config.Version
	}
	return err
}

// Load implements [rules.Tx].
func (t *transaction) Load() (rules.State, error) {
	state := rules.State{Counters: &t.counters, Config: t.config, Client: t.store.client.Name()}
	clock := &t.store.clock
	state.Clock, state.Dates = clock.state(t.origin, clock.read(), &t.counters)
	return state, nil
}

// change executes a statement that changes something.
func (t *transaction) change(query string, args ...any) (int, error) {
	t.written = true
	return t.Change(query, args...)
}

// Notify implements [rules.Tx].
func (t *transaction) Notify(id lease.ID) { t.woken = append(t.woken, id) }

// markWoken leaves the step's hints for other processes, unless the waiter is
// one of ours.
func (t *transaction) markWoken() error {
	for _, id := range t.woken {
		if t.store.waiters.Has(id) {
			continue
		}
		t.wakes++
		if _, err := t.change(`UPDATE leases SET woken = ? WHERE namespace = ? AND id = ?`, t.wakes, t.namespace, id); err != nil {
			return err
		}
	}
	return nil
}

var _ rules.Tx = (*transaction)(nil)
