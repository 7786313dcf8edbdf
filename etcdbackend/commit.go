package etcdbackend

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/internal/groupcommit"
	"github.com/leasekit/leasekit/lease"
)

const (
	// commitBound is how long a batch is tried for, txnTry one try of sending it.
	commitBound = 5 * time.Second
	txnTry      = 2 * time.Second
	// behind is how long the watch may take to tell what etcd already has; after
	// that the namespace is read anew.
	behind = time.Second

	minTxnBytes = 400_000 // twice the largest record and its event
	// batchBytes is when a batch takes no more steps.
	batchBytes = 256 << 10
)

// transact runs the operations of one batch on the mirror and commits what they
// changed in one transaction of etcd, which holds if the head is still the one
// that the mirror shows. If another process was faster, it waits until the mirror
// has caught up, and runs them again.
//
//  1. What is not committed is never seen by anybody, this process included.
//  2. A batch that changes nothing is answered only if the head is still the
//     same: so a refusal is never older than the call.
//  3. Of the transactions that stand on one revision of the head at most one is
//     ever committed. So sending the same again is safe, and whether a lost one
//     was committed is known as soon as one that follows is.
func (s *Store) transact(_ context.Context, batch *groupcommit.Batch[*transaction]) ([]*groupcommit.Call[*transaction], error) {
	ctx, cancel := context.WithTimeout(s.closing, commitBound)
	defer cancel()
	s.gather(s.gathered)
	s.hinted = nil
	var calls []*groupcommit.Call[*transaction]
	defer func() { s.gathered = len(calls) }()
	overtaken, tooLarge := 0, 0
	for ctx.Err() == nil {
		s.awaitTurn(ctx)
		t, err := s.attempt(ctx, batch, &calls)
		if err != nil || len(calls) == 0 {
			return calls, err
		}
		done, err := s.commit(ctx, t)
		switch {
		case errors.Is(err, errTooLarge) && len(calls) == 1 && s.maxEnds != 1:
			s.endFewer(t)
			tooLarge++
		case err != nil || done:
			if s.maxEnds *= 2; s.maxEnds > mostEnds {
				s.maxEnds = 0
			}
			return calls, err
		default:
			overtaken++
		}
	}
	if s.closing.Err() != nil {
		return calls, lease.ErrClosed
	}
	err := fmt.Errorf("%w within %v: %d times another process was faster, %d times the transaction was too large", errNotCommitted, commitBound, overtaken, tooLarge)
	return calls, &final{unavailable("commit", err)}
}

// mostEnds is more than a step ends.
const mostEnds = 100

// endFewer lets steps end fewer leases and waiters, since a transaction was too
// large: about as many as there is room for, and at most half as many. The steps
// after it, which may go on with the same, begin with twice as many.
func (s *Store) endFewer(t *transaction) {
	ended := max(len(t.changed.byID), 2)
	fits := ended * s.options.MaxTxnBytes / max(t.size, s.options.MaxTxnBytes) / 2
	if s.maxEnds > 0 {
		ended = min(ended, s.maxEnds)
	}
	s.maxEnds = max(min(fits, ended/2, mostEnds/2), 1)
}

// gatherYields bounds how often a batch lets others run before it begins.
const gatherYields = 64

// gather lets callers queue what they do next, until there are n: those that the
// batch before has just answered, as most come back, else a batch begins with the
// first of them, and all others wait for the one after it. It costs no time when
// nobody can run.
func (s *Store) gather(n int) {
	for i := 0; i < gatherYields && s.queue.Len() < n; i++ {
		runtime.Gosched()
	}
}

// wakeOwn wakes the waiters of this process that the batch makes grantable, before
// it is committed, and lets them ask: so they are granted in the transaction that
// frees what they wait for. It reports whether somebody asks.
func (s *Store) wakeOwn(t *transaction) bool {
	n := 0
	for _, id := range t.head.Woken {
		if !slices.Contains(s.hinted, id) && s.waiters.Has(id) {
			s.hinted = append(s.hinted, id)
			s.waiters.Notify(id)
			n++
		}
	}
	s.gather(n)
	return n > 0 && s.queue.Len() > 0
}

// final marks an error that concerns all operations of a batch alike.
type final struct{ error }

func (f *final) Unwrap() error { return f.error }

func isFinalBatch(err error) bool {
	var f *final
	return errors.As(err, &f) || errors.Is(err, lease.ErrClosed)
}

// attempt runs the operations of the batch, those that have been taken from it
// and more while there is room, on the mirror as it is.
func (s *Store) attempt(ctx context.Context, batch *groupcommit.Batch[*transaction], calls *[]*groupcommit.Call[*transaction]) (*transaction, error) {
	m := &s.mirror
	m.mutex.RLock()
	defer m.mutex.RUnlock()
	now := s.clock.now()
	err := m.err
	if err == nil {
		err = s.checkClock(now, m.head.Counters.Now)
	}
	if err != nil {
		return nil, &final{unavailable("commit", err)}
	}
	t := m.begin()
	t.state = rules.State{Clock: now, Client: s.session.name(), MaxEnds: s.maxEnds}
	t.read = s.readHistory(ctx)
	t.expected = len(*calls) + s.queue.Len()
	t.head.Previous = t.head.Batch
	t.head.Batch, t.head.Client = string(lease.NewID()), t.state.Client
	t.head.Number++
	t.head.Counters.Refused += s.refused.Load()
	for _, c := range *calls {
		if err := c.Run(t); err != nil {
			return nil, err
		}
	}
	for t.size < batchBytes {
		c := batch.Next()
		if c == nil && s.wakeOwn(t) {
			continue
		}
		if c == nil {
			break
		}
		*calls = append(*calls, c)
		if err := c.Run(t); err != nil {
			return nil, err
		}
	}
	if t.written {
		t.clean(s.options)
	}
	return t, nil
}

// commit reports whether etcd has taken the transaction. If it has, so has the
// mirror; if not, the mirror has moved on and the steps must run again.
func (s *Store) commit(ctx context.Context, t *transaction) (done bool, err error) {
	if !t.written {
		return s.confirm(ctx, t)
	}
	c, ops, err := t.change(s.keys, s.options)
	if err != nil {
		return false, err
	}
	c.hinted = s.hinted
	ops = append(ops, s.leaveLine()...)
	s.mirror.expect(c)
	defer s.mirror.expect(nil)
	pause, unsure := 5*time.Millisecond, false
	for {
		rev, done, err := s.send(ctx, t.base, ops, c.taken)
		switch {
		case err == nil && done:
			s.refused.Store(0)
			s.inLine = 0
			if rev > 0 {
				s.mirror.mutex.Lock()
				s.mirror.applyOwn(rev, s.waiters.Notify)
				s.mirror.mutex.Unlock()
			}
			if slices.ContainsFunc(c.head.Woken, func(id lease.ID) bool { return !s.waiters.Has(id) }) {
				s.woke = c.rev
			}
			return true, nil
		case err == nil:
			return s.overtaken(ctx, t, rev, unsure)
		case certain(err) || isFinal(err):
			return false, &final{unavailable("commit", err)}
		}
		if batch, known := s.mirror.followed(t.base); known { // the watch tells
			return batch == t.head.Batch, nil
		}
		// It may have been committed, or may be yet: the same again tells.
		if !sleep(ctx, pause+rand.N(pause)) {
			return false, &final{unavailable("commit", err)}
		}
		pause, unsure = min(2*pause, 200*time.Millisecond), true
	}
}

// send sends the transaction once, and waits for the answer, or until it is taken
// in, since the watch tells that it was committed. It returns the revision of the
// head, 0 if it is taken in: of the one that it wrote, or of the one that is there
// instead.
func (s *Store) send(ctx context.Context, base int64, ops []clientv3.Op, taken <-chan struct{}) (rev int64, done bool, err error) {
	otherwise, joins := s.getInLine()
	txn := func() (*clientv3.TxnResponse, error) {
		ctx, cancel := context.WithTimeout(s.closing, txnTry)
		defer cancel()
		return s.kv.Txn(ctx).
			If(clientv3.Compare(clientv3.ModRevision(s.keys.head), "=", base)).
			Then(ops...).
			Else(otherwise...).
			Commit()
	}
	type answered struct {
		*clientv3.TxnResponse
		error
	}
	answer := make(chan answered, 1)
	s.background.Go(func() {
		response, err := txn()
		answer <- answered{response, err}
	})
	select {
	case <-taken:
		return 0, true, nil
	case <-ctx.Done():
		return 0, false, ctx.Err()
	case a := <-answer:
		switch {
		case a.error != nil:
			return 0, false, a.error
		case a.Succeeded:
			return a.Header.Revision, true, nil
		case joins:
			s.inLine = a.Header.Revision
		}
		rev, err = s.revision(a.Responses[0].GetResponseRange().Kvs, base)
		return rev, false, err
	}
}

// revision returns that of the head that was read. It is not below one that was
// seen before.
func (s *Store) revision(there []*mvccpb.KeyValue, before int64) (int64, error) {
	var err error
	switch {
	case len(there) == 0:
		err = errNamespaceGone
	case there[0].ModRevision < before:
		err = errRestored
	default:
		return there[0].ModRevision, nil
	}
	s.mirror.fail(err)
	return 0, err
}

// overtaken waits until the mirror has come to this revision of the head. If a
// try before had no answer, so that it is not sure who was faster, it reports
// whether that was the transaction itself.
func (s *Store) overtaken(ctx context.Context, t *transaction, rev int64, unsure bool) (bool, error) {
	if err := s.catchUp(ctx, rev); err != nil {
		return false, &final{unavailable("commit", err)}
	}
	if !unsure {
		return false, nil
	}
	batch, known := s.mirror.followed(t.base)
	if !known { // the namespace was read anew meanwhile
		return false, &final{unavailable("commit", errUnknown)}
	}
	return batch == t.head.Batch, nil
}

var errUnknown = errors.New("etcdbackend: another process was faster, or the answer was lost: what has become of the transaction is not known")

// catchUp returns when the mirror has come to this revision of the head.
func (s *Store) catchUp(ctx context.Context, rev int64) error {
	for {
		some, cancel := context.WithTimeout(ctx, behind)
		err := s.mirror.wait(some, rev)
		cancel()
		if err == nil || ctx.Err() != nil || isFinal(err) {
			return err
		}
		if _, err := s.resync(ctx); err != nil {
			return err
		}
	}
}

// confirm reports whether the head is still the one that a transaction stands on
// that changes nothing.
func (s *Store) confirm(ctx context.Context, t *transaction) (bool, error) {
	rev, err := s.headNow(ctx)
	if err == nil && rev != t.base {
		return false, s.catchUpFinal(ctx, rev)
	}
	if err != nil {
		return false, &final{unavailable("commit", err)}
	}
	s.leaveLineSoon()
	// A refusal is no reason to write: what it counted is kept for the next
	// transaction.
	s.refused.Store(t.head.Counters.Refused - s.mirrored().Counters.Refused)
	return true, nil
}

func (s *Store) catchUpFinal(ctx context.Context, rev int64) error {
	if err := s.catchUp(ctx, rev); err != nil {
		return &final{unavailable("commit", err)}
	}
	return nil
}

func (s *Store) mirrored() head {
	s.mirror.mutex.RLock()
	defer s.mirror.mutex.RUnlock()
	return s.mirror.head
}

// headNow returns the revision of the head that is there now.
func (s *Store) headNow(ctx context.Context) (int64, error) {
	s.mirror.mutex.RLock()
	before := s.mirror.rev
	s.mirror.mutex.RUnlock()
	answer, err := s.kv.Get(ctx, s.keys.head, clientv3.WithKeysOnly())
	if err != nil {
		return 0, err
	}
	return s.revision(answer.Kvs, before)
}

// change returns what the transaction changes: as the mirror takes it in, and as
// etcd does.
func (t *transaction) change(k keyspace, o Options) (*change, []clientv3.Op, error) {
	if t.size > o.MaxTxnBytes { // to pack all that would take longer than to do it in parts
		return nil, nil, errTooLarge
	}
	c := &change{taken: make(chan struct{}), head: t.head, segment: &segment{Buried: t.buried}, events: t.events}
	w := writer{base: t.head.Counters.Now}
	w.put(k.head, &t.head)
	if t.saved {
		c.config = &t.config
		text, err := json.Marshal(t.config)
		w.add(k.config(), string(text), err)
	}
	for _, r := range t.changed.byID {
		c.segment.Records = append(c.segment.Records, (*record)(r))
	}
	for id := range t.removed {
		if t.changed.byID[id] == nil {
			c.segment.Removed = append(c.segment.Removed, id)
		}
	}
	if c.segment.entries() > 0 {
		w.put(k.log(t.head.Number), c.segment)
	}
	if t.head.Log > t.log {
		w.delete(k.log(0), k.log(t.head.Log))
	}
	if len(t.events) > 0 {
		for i := range t.events {
			t.events[i].first = t.events[0].Seq
		}
		w.put(k.history(t.events[0].Seq), &t.events)
	}
	if t.trimTo > 0 {
		w.delete(k.history(0), k.history(t.trimTo))
	}
	switch {
	case w.err != nil:
		return nil, nil, w.err
	case w.bytes > o.MaxTxnBytes:
		return nil, nil, errTooLarge
	}
	return c, w.ops, nil
}

// writer collects the operations of a transaction.
type writer struct {
	base  int64 // the time of the transaction
	ops   []clientv3.Op
	bytes int
	err   error
}

// each operation has a few bytes around its key and value.
const perOperation = 16

func (w *writer) put(key string, value coded) {
	text, err := pack(value, w.base)
	w.add(key, text, err)
}

func (w *writer) add(key, text string, err error) {
	w.err = errors.Join(w.err, err)
	w.ops = append(w.ops, clientv3.OpPut(key, text))
	w.bytes += len(key) + len(text) + perOperation
}

// delete deletes the keys from one on, before another.
func (w *writer) delete(from, before string) {
	w.ops = append(w.ops, clientv3.OpDelete(from, clientv3.WithRange(before)))
	w.bytes += len(from) + len(before) + perOperation
}
