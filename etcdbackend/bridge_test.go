package etcdbackend

import (
	"context"
	"slices"
	"sync"

	clientv3 "go.etcd.io/etcd/client/v3"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

// bridge is a client of a real cluster for use in a testing/synctest bubble: what
// it is asked for is done by goroutines outside, and no time passes in the bubble
// meanwhile. Before a write returns, all watches of the bridge have been told.
type bridge struct {
	real *clientv3.Client

	mu      sync.Mutex
	written int64 // the newest revision that was written by way of the bridge
	watches []*bridgedWatch
}

// outside runs functions outside of all bubbles.
var outside = func() chan func() {
	work := make(chan func())
	go func() {
		for f := range work {
			go f()
		}
	}()
	return work
}()

// outsideOf runs f outside and returns when it has returned: a mutex that is
// waited for keeps the time of a bubble from passing.
func outsideOf(f func()) {
	var running sync.Mutex
	running.Lock()
	outside <- func() {
		defer running.Unlock()
		f()
	}
	running.Lock()
}

// client returns a client of the bridge.
func (b *bridge) client() *clientv3.Client {
	return &clientv3.Client{KV: &bridgedKV{bridge: b}, Watcher: &bridgedWatcher{bridge: b}, Lease: &bridgedLease{bridge: b}}
}

// wrote lets all watches tell of what was written at a revision.
func (b *bridge) wrote(rev int64) {
	b.mu.Lock()
	b.written = max(b.written, rev)
	watches := slices.Clone(b.watches)
	b.mu.Unlock()
	for _, w := range watches {
		w.pass(rev)
	}
}

type (
	bridgedKV struct {
		clientv3.KV
		*bridge
	}
	bridgedWatcher struct {
		clientv3.Watcher
		*bridge
	}
	bridgedLease struct {
		clientv3.Lease
		*bridge
	}
	bridgedTxn struct {
		*bridge
		ctx         context.Context
		cmps        []clientv3.Cmp
		then, other []clientv3.Op
	}
)

func (k *bridgedKV) Get(ctx context.Context, key string, o ...clientv3.OpOption) (answer *clientv3.GetResponse, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	outsideOf(func() { answer, err = k.real.Get(context.Background(), key, o...) })
	return answer, err
}

func (k *bridgedKV) Put(ctx context.Context, key, value string, o ...clientv3.OpOption) (*clientv3.PutResponse, error) {
	answer, err := k.Txn(ctx).Then(clientv3.OpPut(key, value, o...)).Commit()
	if err != nil {
		return nil, err
	}
	return &clientv3.PutResponse{Header: answer.Header}, nil
}

func (k *bridgedKV) Delete(ctx context.Context, key string, o ...clientv3.OpOption) (*clientv3.DeleteResponse, error) {
	answer, err := k.Txn(ctx).Then(clientv3.OpDelete(key, o...)).Commit()
	if err != nil {
		return nil, err
	}
	return &clientv3.DeleteResponse{Header: answer.Header}, nil
}

func (k *bridgedKV) Txn(ctx context.Context) clientv3.Txn {
	return &bridgedTxn{bridge: k.bridge, ctx: ctx}
}

func (t *bridgedTxn) If(cs ...clientv3.Cmp) clientv3.Txn   { t.cmps = cs; return t }
func (t *bridgedTxn) Then(ops ...clientv3.Op) clientv3.Txn { t.then = ops; return t }
func (t *bridgedTxn) Else(ops ...clientv3.Op) clientv3.Txn { t.other = ops; return t }

func (t *bridgedTxn) Commit() (answer *clientv3.TxnResponse, err error) {
	if err := t.ctx.Err(); err != nil {
		return nil, err
	}
	outsideOf(func() {
		answer, err = t.real.Txn(context.Background()).If(t.cmps...).Then(t.then...).Else(t.other...).Commit()
	})
	if err == nil && slices.ContainsFunc(answer.Responses, writes) {
		t.wrote(answer.Header.Revision)
	}
	return answer, err
}

// writes reports whether an operation of a transaction has changed something.
func writes(r *pb.ResponseOp) bool {
	return r.GetResponsePut() != nil || r.GetResponseDeleteRange().GetDeleted() > 0 ||
		slices.ContainsFunc(r.GetResponseTxn().GetResponses(), writes)
}

// longEnough is a TTL, in seconds, that needs no renewal in a test.
const longEnough = 3600

func (l *bridgedLease) Grant(ctx context.Context, _ int64) (answer *clientv3.LeaseGrantResponse, err error) {
	outsideOf(func() { answer, err = l.real.Grant(context.Background(), longEnough) })
	return answer, err
}

func (l *bridgedLease) KeepAlive(ctx context.Context, _ clientv3.LeaseID) (<-chan *clientv3.LeaseKeepAliveResponse, error) {
	alive := make(chan *clientv3.LeaseKeepAliveResponse)
	context.AfterFunc(ctx, func() { close(alive) })
	return alive, nil
}

func (l *bridgedLease) Revoke(_ context.Context, id clientv3.LeaseID) (answer *clientv3.LeaseRevokeResponse, err error) {
	var had *clientv3.LeaseTimeToLiveResponse
	outsideOf(func() {
		if had, err = l.real.TimeToLive(context.Background(), id, clientv3.WithAttachedKeys()); err == nil {
			answer, err = l.real.Revoke(context.Background(), id)
		}
	})
	if err == nil && len(had.Keys) > 0 {
		l.wrote(answer.Header.Revision)
	}
	return answer, err
}

// bridgedWatch is a watch of the real cluster, and one in the bubble, to which it
// passes on what it is told.
type bridgedWatch struct {
	mu    sync.Mutex
	come  sync.Cond
	at    int64 // up to which revision it has been told
	ended bool
	told  []clientv3.WatchResponse

	passed chan struct{} // of the bubble, with room for one: something was passed on
}

// pass returns when the watch was told of this revision, and passes that on.
func (w *bridgedWatch) pass(rev int64) {
	outsideOf(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		for w.at < rev && !w.ended {
			w.come.Wait()
		}
	})
	select {
	case w.passed <- struct{}{}:
	default:
	}
}

// listen takes in what the real watch tells, until that ends.
func (w *bridgedWatch) listen(told clientv3.WatchChan) {
	for response := range told {
		w.mu.Lock()
		w.told = append(w.told, response)
		for _, e := range response.Events {
			w.at = e.Kv.ModRevision
		}
		w.come.Broadcast()
		w.mu.Unlock()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	w.come.Broadcast()
}

func (b *bridgedWatcher) Watch(ctx context.Context, key string, o ...clientv3.OpOption) clientv3.WatchChan {
	w := &bridgedWatch{at: clientv3.OpGet(key, o...).Rev() - 1, passed: make(chan struct{}, 1)}
	w.come.L = &w.mu
	var stop context.CancelFunc
	outsideOf(func() {
		var until context.Context
		until, stop = context.WithCancel(context.Background())
		told := b.real.Watch(until, key, o...)
		go w.listen(told)
	})
	b.mu.Lock()
	b.watches = append(b.watches, w)
	written := b.written
	b.mu.Unlock()
	passedOn := make(chan clientv3.WatchResponse)
	go func() {
		defer close(passedOn)
		defer b.forget(w)
		defer stop()
		w.pass(written)
		for {
			select {
			case <-w.passed:
			case <-ctx.Done():
				return
			}
			w.mu.Lock()
			told := w.told
			w.told = nil
			w.mu.Unlock()
			for _, response := range told {
				select {
				case passedOn <- response:
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	return passedOn
}

func (b *bridge) forget(w *bridgedWatch) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.watches = slices.DeleteFunc(b.watches, func(other *bridgedWatch) bool { return other == w })
}
