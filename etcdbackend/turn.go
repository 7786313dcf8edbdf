package etcdbackend

import (
	"context"
	"math"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Processes that change a namespace at the same time take turns. Without that,
// who has just committed is the first to know the new head, and wins again and
// again, while the transactions of the others fail and cost as much.
//
// A transaction that fails leaves the process's key in the line, in that same
// round trip; one that is committed takes it away. Who sees others in the line
// before itself waits until they have gone, or until the first of them has not
// moved for turnPatience: it may have ended, or have nothing more to change.
// Who has committed what wakes a waiter of another process lets that one go
// first, too. Nothing depends on it but who is served when.

const (
	// turnPatience is how long the first in line is waited for.
	turnPatience = 30 * time.Millisecond
	// wakePatience is how long a waiter that was woken is waited for.
	wakePatience = 10 * time.Millisecond
)

// ahead returns the process in the line that is to go first, and when it got in
// line (the revision of etcd), if that was before this revision. The mutex is
// held.
func (m *mirror) ahead(own string, before int64) (client string, since int64) {
	since = before
	for c, rev := range m.turns {
		if c != own && rev < since {
			client, since = c, rev
		}
	}
	return client, since
}

// awaitTurn returns when nobody else is to go first.
func (s *Store) awaitTurn(ctx context.Context) {
	before := int64(math.MaxInt64)
	if s.inLine > 0 {
		before = s.inLine
	}
	own, m := s.session.name(), &s.mirror
	if s.woke > 0 {
		some, cancel := context.WithTimeout(ctx, wakePatience)
		_ = m.wait(some, s.woke+1)
		cancel()
		s.woke = 0
	}
	patience := time.NewTimer(turnPatience)
	defer patience.Stop()
	for waiting := int64(0); ; {
		m.mutex.RLock()
		client, since := m.ahead(own, before)
		told, moved := m.told, m.moved
		m.mutex.RUnlock()
		if client == "" && told >= s.inLine || since == s.passed {
			return
		}
		if since != waiting { // another is the first
			patience.Reset(turnPatience)
			waiting = since
		}
		select {
		case <-moved:
		case <-patience.C:
			s.passed = since
			return
		case <-ctx.Done():
			return
		}
	}
}

// getInLine returns what a transaction that fails does: it reads the head and, if
// the process is not in line yet, gets in line.
func (s *Store) getInLine() (ops []clientv3.Op, joins bool) {
	ops = []clientv3.Op{clientv3.OpGet(s.keys.head, clientv3.WithKeysOnly())}
	name, id := s.session.name(), s.session.id()
	if s.inLine > 0 || name == "" {
		return ops, false
	}
	return append(ops, clientv3.OpPut(s.keys.turn(name), "", clientv3.WithLease(id))), true
}

// leaveLine returns what a transaction that is committed does besides.
func (s *Store) leaveLine() []clientv3.Op {
	if s.inLine == 0 {
		return nil
	}
	return []clientv3.Op{clientv3.OpDelete(s.keys.turn(s.session.name()))}
}

// leaveLineSoon is for a process that has nothing more to change.
func (s *Store) leaveLineSoon() {
	if s.inLine == 0 {
		return
	}
	s.inLine = 0
	key := s.keys.turn(s.session.name())
	s.background.Go(func() {
		ctx, cancel := context.WithTimeout(s.closing, txnTry)
		defer cancel()
		_, _ = s.kv.Delete(ctx, key) // else others wait for a moment, once
	})
}
