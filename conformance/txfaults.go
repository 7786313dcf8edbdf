package conformance

import (
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/lease"
)

// TxFaults makes the transactions of a store on package rules go wrong: a call of
// [rules.Tx] fails after it was done, or the commit fails before it is done. Then
// nothing may remain of the step, in the store or in memory. [Faults] is for
// whole calls of any store: there a step may be committed and be said to have
// failed.
//
// The store's test has it stand where the store begins a step and where it commits
// (see [Fixture.OpenFaulty]):
//
//	step, err := rules.Begin(faults.Tx(tx))
//	...
//	if err = faults.Commit(); err == nil {
//		err = tx.Commit()
//	}
//
// It is safe for concurrent use.
type TxFaults struct {
	mu     sync.Mutex
	random *rand.Rand
	rate   float64
	call   int // the call that fails in the next transaction; 0: none is scripted
	commit bool
	fired  int // how many faults there were
	hold   *hold
}

// hold is a commit that waits.
type hold struct{ held, resumed chan struct{} }

// mostCalls is how many calls a step makes, so that each of them fails at times.
const mostCalls = 24

// NewTxFaults returns faults at random: of the transactions so many (0 to 1) go
// wrong, by a seed.
func NewTxFaults(seed uint64, rate float64) *TxFaults {
	return &TxFaults{random: rand.New(rand.NewPCG(seed, seed)), rate: rate}
}

// FailCall has the nth call of the next transaction fail: 1 is the first.
func (f *TxFaults) FailCall(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.call, f.commit = n, false
}

// FailCommit has the next commit fail.
func (f *TxFaults) FailCommit() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.call, f.commit = 0, true
}

// HoldCommit has the next commit wait, with all the locks that the transaction has,
// until resume is called. held is closed once it waits.
func (f *TxFaults) HoldCommit() (held <-chan struct{}, resume func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	waits := &hold{held: make(chan struct{}), resumed: make(chan struct{})}
	f.hold = waits
	return waits.held, sync.OnceFunc(func() { close(waits.resumed) })
}

// Fired returns how many faults there were.
func (f *TxFaults) Fired() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.fired
}

// Tx returns the transaction with its faults.
func (f *TxFaults) Tx(tx rules.Tx) rules.Tx {
	f.mu.Lock()
	defer f.mu.Unlock()
	faulty := &faultyTx{Tx: tx, faults: f, left: f.call}
	f.call = 0
	if faulty.left == 0 && f.random.Float64() < f.rate/2 {
		faulty.left = 1 + f.random.IntN(mostCalls)
	}
	return faulty
}

// Commit is to be called before a transaction commits, and decides whether it may.
func (f *TxFaults) Commit() error {
	f.mu.Lock()
	waits := f.hold
	f.hold = nil
	f.mu.Unlock()
	if waits != nil {
		close(waits.held)
		<-waits.resumed
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.commit && f.random.Float64() >= f.rate/2 {
		return nil
	}
	f.commit = false
	f.fired++
	return fmt.Errorf("%w: the commit", ErrInjected)
}

// faultyTx is a transaction of which one call fails.
type faultyTx struct {
	rules.Tx
	faults *TxFaults
	left   int // calls until then; 0 or less: none fails
}

// after is called when a call is done, and makes it fail if it is the one.
func (t *faultyTx) after(err error) error {
	if t.left--; t.left != 0 || err != nil {
		return err
	}
	t.faults.mu.Lock()
	defer t.faults.mu.Unlock()
	t.faults.fired++
	return fmt.Errorf("%w: a call within the transaction", ErrInjected)
}

func after[T any](t *faultyTx, reply T, err error) (T, error) { return reply, t.after(err) }

func (t *faultyTx) Load() (rules.State, error) {
	state, err := t.Tx.Load()
	return after(t, state, err)
}

func (t *faultyTx) Find(id lease.ID) (*rules.Record, error) {
	r, err := t.Tx.Find(id)
	return after(t, r, err)
}

func (t *faultyTx) Put(r *rules.Record) error { return t.after(t.Tx.Put(r)) }

func (t *faultyTx) Update(r *rules.Record, was lease.Status) error {
	return t.after(t.Tx.Update(r, was))
}

func (t *faultyTx) Leases(o rules.Overlap) ([]*rules.Record, error) {
	rs, err := t.Tx.Leases(o)
	return after(t, rs, err)
}

func (t *faultyTx) Waiters(o rules.Overlap) ([]*rules.Record, error) {
	rs, err := t.Tx.Waiters(o)
	return after(t, rs, err)
}

func (t *faultyTx) Count(holder string, now int64) (int, error) {
	n, err := t.Tx.Count(holder, now)
	return after(t, n, err)
}

func (t *faultyTx) LeasesOf(holder string, limit int) ([]*rules.Record, error) {
	rs, err := t.Tx.LeasesOf(holder, limit)
	return after(t, rs, err)
}

func (t *faultyTx) WaitersOf(holder string, limit int) ([]*rules.Record, error) {
	rs, err := t.Tx.WaitersOf(holder, limit)
	return after(t, rs, err)
}

func (t *faultyTx) Dependents(id lease.ID, limit int) ([]*rules.Record, error) {
	rs, err := t.Tx.Dependents(id, limit)
	return after(t, rs, err)
}

func (t *faultyTx) Chained(id lease.ID, status lease.Status, limit int) ([]*rules.Record, error) {
	rs, err := t.Tx.Chained(id, status, limit)
	return after(t, rs, err)
}

func (t *faultyTx) Select(q lease.Query, arrival int64, limit int) ([]*rules.Record, error) {
	rs, err := t.Tx.Select(q, arrival, limit)
	return after(t, rs, err)
}

func (t *faultyTx) Due(now int64, limit int) ([]*rules.Record, error) {
	rs, err := t.Tx.Due(now, limit)
	return after(t, rs, err)
}

func (t *faultyTx) Append(e lease.Event) error { return t.after(t.Tx.Append(e)) }

func (t *faultyTx) EndedAt(moment int64) ([]*rules.Record, error) {
	rs, err := t.Tx.EndedAt(moment)
	return after(t, rs, err)
}

func (t *faultyTx) AddTombstone(name string, until int64) error {
	return t.after(t.Tx.AddTombstone(name, until))
}

func (t *faultyTx) Tombstone(name string) (int64, error) {
	until, err := t.Tx.Tombstone(name)
	return after(t, until, err)
}

func (t *faultyTx) Forget(forget rules.Forget) (int, error) {
	n, err := t.Tx.Forget(forget)
	return after(t, n, err)
}

func (t *faultyTx) Trim(before int64, keep, limit int) (int, error) {
	n, err := t.Tx.Trim(before, keep, limit)
	return after(t, n, err)
}

func (t *faultyTx) SetConfig(c lease.Config) error { return t.after(t.Tx.SetConfig(c)) }
