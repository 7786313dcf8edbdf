package etcdbackend

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/leasekit/leasekit/lease"
)

// session is what others know by that this process is alive: a key that goes
// with an etcd lease.
type session struct {
	mutex  sync.Mutex
	client string // "" while there is none
	lease  clientv3.LeaseID
	asked  time.Time     // when we asked for the clocks of others, by ours
	told   chan struct{} // closed when one of them has answered
}

// name is what waiters' records say who keeps their place.
func (s *session) name() string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.client
}

func (s *session) id() clientv3.LeaseID {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.lease
}

// hello is the value of a client's key. It asks a few others what their clocks
// show.
type hello struct {
	Lease clientv3.LeaseID `json:"lease"`
}

// askedPeers is how many others answer.
const askedPeers = 3

// join makes the key, and returns a channel that is closed when the etcd lease
// has ended.
func (s *Store) join(ctx context.Context) (<-chan *clientv3.LeaseKeepAliveResponse, error) {
	granted, err := s.leases.Grant(ctx, int64(s.options.SessionTTL/time.Second))
	if err != nil {
		return nil, err
	}
	s.session.mutex.Lock()
	s.session.client, s.session.lease = string(lease.NewID()), granted.ID
	s.session.mutex.Unlock()
	var alive <-chan *clientv3.LeaseKeepAliveResponse
	if err = s.announce(ctx); err == nil {
		alive, err = s.leases.KeepAlive(s.closing, granted.ID)
	}
	if err != nil {
		s.session.forget()
	}
	return alive, err
}

// forget makes places that are kept from now on nobody's.
func (s *session) forget() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.client = ""
}

// announce writes the key.
func (s *Store) announce(ctx context.Context) error {
	s.session.mutex.Lock()
	name, id := s.session.client, s.session.lease
	s.session.asked, s.session.told = s.clock.now(), make(chan struct{})
	s.session.mutex.Unlock()
	text, err := json.Marshal(hello{Lease: id})
	if err == nil {
		_, err = s.kv.Put(ctx, s.keys.client(name), string(text), clientv3.WithLease(id))
	}
	return err
}

// askClocksAfter is how long after one comparison of clocks the next one comes.
const askClocksAfter = time.Minute

// keepSession keeps the key there until the store is closed, and compares clocks
// from time to time.
func (s *Store) keepSession(alive <-chan *clientv3.LeaseKeepAliveResponse) {
	var again <-chan time.Time
	if s.options.MaxSkew != OneClock {
		ticker := time.NewTicker(askClocksAfter)
		defer ticker.Stop()
		again = ticker.C
	}
	for s.closing.Err() == nil {
		select {
		case _, lives := <-alive: // the client renews it
			if lives {
				continue
			}
			s.session.forget()
			alive = s.rejoin()
		case <-again:
			ctx, cancel := context.WithTimeout(s.closing, txnTry)
			_ = s.announce(ctx) // until the next time
			cancel()
		}
	}
}

// rejoin makes another key in place of one that is gone.
func (s *Store) rejoin() <-chan *clientv3.LeaseKeepAliveResponse {
	for sleep(s.closing, rewatch) {
		ctx, cancel := context.WithTimeout(s.closing, txnTry)
		alive, err := s.join(ctx)
		cancel()
		if err == nil {
			return alive
		}
	}
	return nil
}

// leave lets others pass our waiters at once.
func (s *Store) leave(ctx context.Context) error {
	s.session.mutex.Lock()
	defer s.session.mutex.Unlock()
	if s.session.lease == 0 {
		return nil
	}
	_, err := s.leases.Revoke(ctx, s.session.lease)
	return err
}

// clientSeen takes in that a client's key was written, or is gone. The mirror's
// mutex is held.
func (s *Store) clientSeen(name string, e *clientv3.Event) {
	if e.Type == mvccpb.DELETE {
		delete(s.mirror.clients, name)
		s.waiters.Notify(s.mirror.behind(name)...)
		return
	}
	s.mirror.clients[name] = true
	h, err := decode[hello](e.Kv.Key, e.Kv.Value)
	own := s.session.name()
	if err != nil || s.options.MaxSkew == OneClock || own == "" || name == own {
		return
	}
	var peers []string
	for peer := range s.mirror.clients {
		if peer != name {
			peers = append(peers, peer)
		}
	}
	slices.Sort(peers)
	if slices.Contains(peers[:min(askedPeers, len(peers))], own) {
		now := s.clock.now()
		s.background.Go(func() { s.tellClock(h.Lease, s.keys.clock(name, own), now) })
	}
}

// tellClock tells another process what our clock showed. It goes with the other's
// etcd lease.
func (s *Store) tellClock(of clientv3.LeaseID, key string, now time.Time) {
	ctx, cancel := context.WithTimeout(s.closing, txnTry)
	defer cancel()
	text, err := json.Marshal(now)
	if err == nil {
		_, _ = s.kv.Put(ctx, key, string(text), clientv3.WithLease(of)) // others answer too
	}
}

// clockSeen takes in what another's clock shows.
func (s *Store) clockSeen(name string, e *clientv3.Event) {
	client, _, _ := strings.Cut(name, "/")
	s.session.mutex.Lock()
	defer s.session.mutex.Unlock()
	if client != s.session.client || e.Type == mvccpb.DELETE {
		return
	}
	other, err := decode[time.Time](e.Kv.Key, e.Kv.Value)
	if err != nil {
		return
	}
	s.compared(s.session.asked, other, s.clock.now())
	select {
	case <-s.session.told:
	default:
		close(s.session.told)
	}
}

// clockPatience is how long the first comparison of clocks is waited for: others
// may have ended and still be known.
const clockPatience = time.Second

// compareClocks waits until another process has told its clock, if there is one.
func (s *Store) compareClocks(ctx context.Context) error {
	if s.options.MaxSkew == OneClock {
		return nil
	}
	s.mirror.mutex.RLock()
	s.session.mutex.Lock()
	own, told := s.session.client, s.session.told
	s.session.mutex.Unlock()
	others := len(s.mirror.clients)
	if s.mirror.clients[own] {
		others--
	}
	s.mirror.mutex.RUnlock()
	if others > 0 {
		timer := time.NewTimer(clockPatience)
		defer timer.Stop()
		select {
		case <-told:
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return s.checkClock(s.clock.now(), s.mirrored().Counters.Now)
}
