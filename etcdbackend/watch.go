package etcdbackend

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/leasekit/leasekit/lease"
)

// rewatch is the pause before a watch that ended is begun again.
const rewatch = 50 * time.Millisecond

// follow keeps the mirror up to date from this revision of etcd on, until the
// store is closed. A watch that ends is begun again where it was. If what it
// would have told is compacted, or makes no sense, the whole is read anew.
func (s *Store) follow(from int64) {
	for {
		reached, err := s.watch(from)
		from = reached
		pause := rewatch
		if errors.Is(err, rpctypes.ErrCompacted) || errors.Is(err, errNotOurs) {
			at, err := s.resync(s.closing)
			if err == nil {
				from = at + 1
				continue
			}
			pause = behind
		}
		if !sleep(s.closing, pause) {
			return
		}
	}
}

// watch takes in what is told from a revision on, until the watch ends. It
// returns the revision to go on from, and why it ended.
func (s *Store) watch(from int64) (int64, error) {
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(s.closing))
	defer cancel()
	for told := range s.watcher.Watch(ctx, s.keys.prefix, clientv3.WithPrefix(), clientv3.WithRev(from)) {
		if err := told.Err(); err != nil {
			return from, err
		}
		for len(told.Events) > 0 {
			n, rev := 1, told.Events[0].Kv.ModRevision
			for n < len(told.Events) && told.Events[n].Kv.ModRevision == rev {
				n++
			}
			if err := s.take(rev, told.Events[:n]); err != nil {
				err = fmt.Errorf("%w: %w", errNotOurs, err)
				s.mirror.fail(err)
				return from, err
			}
			from, told.Events = rev+1, told.Events[n:]
		}
	}
	return from, errWatchEnded
}

// resync reads the whole namespace anew, and returns the revision of etcd. All
// waiters are woken: what was missed may concern them.
func (s *Store) resync(ctx context.Context) (int64, error) {
	shot, err := s.snapshot(ctx)
	if err != nil {
		if isFinal(err) {
			s.mirror.fail(err)
		}
		return 0, err
	}
	m := &s.mirror
	m.mutex.Lock()
	switch {
	case shot.head.Counters.Token < m.head.Counters.Token || shot.rev < m.rev && shot.head.Batch != m.head.Batch:
		m.err, err = errRestored, errRestored
		m.signal()
	case shot.rev > m.rev || m.err != nil:
		m.reset(shot)
	default: // a commit of our own was faster
		m.clients, m.turns, m.told = shot.clients, shot.turns, max(m.told, shot.at)
	}
	m.mutex.Unlock()
	s.waiters.NotifyAll()
	return shot.at, err
}

// take takes in the events of one revision of etcd.
func (s *Store) take(rev int64, events []*clientv3.Event) error {
	c := change{rev: rev, segment: &segment{}}
	written, moved := false, false
	m := &s.mirror
	m.mutex.Lock()
	defer m.mutex.Unlock()
	for _, e := range events {
		name, _ := bytes.CutPrefix(e.Kv.Key, []byte(s.keys.prefix))
		switch text := string(name); {
		case strings.HasPrefix(text, clientKey):
			s.clientSeen(text[len(clientKey):], e)
		case strings.HasPrefix(text, clockKey):
			s.clockSeen(text[len(clockKey):], e)
		case strings.HasPrefix(text, turnKey):
			m.turns[text[len(turnKey):]] = rev
			if e.Type == mvccpb.DELETE {
				delete(m.turns, text[len(turnKey):])
			}
			moved = true
		case rev <= m.rev: // our own
		case text == headKey && e.Type == mvccpb.DELETE:
			return errNamespaceGone
		default:
			written = written || text == headKey
			if err := c.take(text, e); err != nil {
				return err
			}
			if text == headKey && m.sent != nil && m.sent.head.Batch == c.head.Batch {
				m.applyOwn(rev, s.waiters.Notify) // what follows need not be decoded
				written = false
			}
		}
	}
	if m.told = rev; moved {
		m.signal()
	}
	switch {
	case !written:
	case c.head.Counters.Token < m.head.Counters.Token:
		return errRestored
	case c.head.Previous != m.head.Batch:
		return errMissed
	default:
		m.apply(&c)
		s.waiters.Notify(c.head.Woken...)
	}
	return nil
}

// take takes in one event.
func (c *change) take(name string, e *clientv3.Event) (err error) {
	gone := e.Type == mvccpb.DELETE
	switch {
	case name == headKey:
		err = unpack(e.Kv, &c.head)
	case name == configKey && !gone:
		c.config, err = decode[*lease.Config](e.Kv.Key, e.Kv.Value)
	case strings.HasPrefix(name, logKey) && !gone:
		err = unpack(e.Kv, c.segment)
	case strings.HasPrefix(name, historyKey) && !gone:
		err = unpack(e.Kv, &c.events)
	}
	return err
}

// sleep waits for d. It reports whether ctx still lives.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
