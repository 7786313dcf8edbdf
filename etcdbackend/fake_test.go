package etcdbackend

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	clientv3 "go.etcd.io/etcd/client/v3"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
)

// fakeEtcd is as much of etcd as this package uses, in memory: a real one needs
// a network and the machine's clock, and so does not fit into the virtual time
// of a testing/synctest bubble. The same suites run on a real one.
type fakeEtcd struct {
	mu        sync.Mutex
	moved     chan struct{} // closed and renewed with each revision
	rev       int64
	keys      map[string]*mvccpb.KeyValue
	log       []*clientv3.Event // of all revisions after compacted
	compacted int64
	leases    clientv3.LeaseID
	expired   map[clientv3.LeaseID]chan struct{}
	cutOff    chan struct{} // closed and renewed when all watches end

	// lose tells what becomes of a transaction: sent says whether it is to be
	// applied, answered whether the client hears of it. nil: both.
	lose func() (sent, answered bool)
	// read is called after each read; nil: nothing.
	read func()
}

func newFake() *fakeEtcd {
	return &fakeEtcd{
		rev: 1, moved: make(chan struct{}), cutOff: make(chan struct{}), keys: map[string]*mvccpb.KeyValue{}, expired: map[clientv3.LeaseID]chan struct{}{},
	}
}

// client returns a client of it.
func (f *fakeEtcd) client() *clientv3.Client {
	return &clientv3.Client{KV: &fakeKV{fakeEtcd: f}, Watcher: &fakeWatcher{fakeEtcd: f}, Lease: &fakeLease{fakeEtcd: f}}
}

func (f *fakeEtcd) header() *pb.ResponseHeader { return &pb.ResponseHeader{Revision: f.rev} }

type (
	fakeKV struct {
		clientv3.KV
		*fakeEtcd
	}
	fakeWatcher struct {
		clientv3.Watcher
		*fakeEtcd
	}
	fakeLease struct {
		clientv3.Lease
		*fakeEtcd
	}
	fakeTxn struct {
		*fakeEtcd
		ctx         context.Context
		cmps        []clientv3.Cmp
		then, other []clientv3.Op
	}
)

func (f *fakeKV) Get(ctx context.Context, key string, o ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f.mu.Lock()
	answer, err := f.get(clientv3.OpGet(key, o...))
	read := f.read
	f.mu.Unlock()
	if read != nil {
		read()
	}
	return (*clientv3.GetResponse)(answer), err
}

func (f *fakeKV) Put(ctx context.Context, key, value string, o ...clientv3.OpOption) (*clientv3.PutResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	op := clientv3.OpPut(key, value, o...)
	f.commit([]clientv3.Op{op})
	return &clientv3.PutResponse{Header: f.header()}, ctx.Err()
}

func (f *fakeKV) Txn(ctx context.Context) clientv3.Txn {
	return &fakeTxn{fakeEtcd: f.fakeEtcd, ctx: ctx}
}

func (t *fakeTxn) If(cs ...clientv3.Cmp) clientv3.Txn   { t.cmps = cs; return t }
func (t *fakeTxn) Then(ops ...clientv3.Op) clientv3.Txn { t.then = ops; return t }
func (t *fakeTxn) Else(ops ...clientv3.Op) clientv3.Txn { t.other = ops; return t }

func (t *fakeTxn) Commit() (*clientv3.TxnResponse, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.ctx.Err(); err != nil {
		return nil, err
	}
	sent, answered := true, true
	if t.lose != nil {
		sent, answered = t.lose()
	}
	answer := &clientv3.TxnResponse{Succeeded: true}
	for _, c := range t.cmps {
		target := c.GetCompare()
		var is, want int64
		if kv := t.keys[string(target.Key)]; kv != nil {
			is = kv.ModRevision
			if target.Target == pb.Compare_CREATE {
				is = kv.CreateRevision
			}
		}
		if want = target.GetModRevision(); target.Target == pb.Compare_CREATE {
			want = target.GetCreateRevision()
		}
		answer.Succeeded = answer.Succeeded && is == want
	}
	switch {
	case !sent:
	case answer.Succeeded:
		t.commit(t.then)
	default:
		for _, op := range t.other {
			if op.IsPut() {
				t.commit([]clientv3.Op{op})
				continue
			}
			got, err := t.get(op)
			if err != nil {
				return nil, err
			}
			answer.Responses = append(answer.Responses, &pb.ResponseOp{Response: &pb.ResponseOp_ResponseRange{ResponseRange: got}})
		}
	}
	if !sent || !answered {
		return nil, errors.New("the connection broke")
	}
	answer.Header = t.header()
	return answer, nil
}

// commit applies operations at a new revision.
func (f *fakeEtcd) commit(ops []clientv3.Op) {
	before := len(f.log)
	f.rev++
	f.apply(ops)
	if len(f.log) == before {
		f.rev--
		return
	}
	close(f.moved)
	f.moved = make(chan struct{})
}

func (f *fakeEtcd) apply(ops []clientv3.Op) {
	for _, op := range ops {
		switch {
		case op.IsTxn():
			_, then, _ := op.Txn()
			f.apply(then)
		case op.IsPut():
			kv := &mvccpb.KeyValue{Key: op.KeyBytes(), Value: op.ValueBytes(), ModRevision: f.rev, CreateRevision: f.rev}
			if old := f.keys[string(kv.Key)]; old != nil {
				kv.CreateRevision = old.CreateRevision
			}
			f.keys[string(kv.Key)] = kv
			f.log = append(f.log, &clientv3.Event{Type: mvccpb.PUT, Kv: kv})
		case op.IsDelete():
			for _, key := range f.within(f.keys, op) {
				delete(f.keys, key)
				f.log = append(f.log, &clientv3.Event{Type: mvccpb.DELETE, Kv: &mvccpb.KeyValue{Key: []byte(key), ModRevision: f.rev}})
			}
		}
	}
}

// within returns the keys that an operation is about, in order.
func (f *fakeEtcd) within(keys map[string]*mvccpb.KeyValue, op clientv3.Op) []string {
	var found []string
	start, end := string(op.KeyBytes()), string(op.RangeBytes())
	if end == "" {
		if keys[start] == nil {
			return nil
		}
		return []string{start}
	}
	for key := range maps.Keys(keys) {
		if key >= start && key < end {
			found = append(found, key)
		}
	}
	slices.Sort(found)
	return found
}

func (f *fakeEtcd) get(op clientv3.Op) (*pb.RangeResponse, error) {
	keys := f.keys
	if at := op.Rev(); at > 0 && at < f.rev {
		if at < f.compacted {
			return nil, rpctypes.ErrCompacted
		}
		keys = map[string]*mvccpb.KeyValue{}
		for _, e := range f.log {
			switch {
			case e.Kv.ModRevision > at:
			case e.Type == mvccpb.DELETE:
				delete(keys, string(e.Kv.Key))
			default:
				keys[string(e.Kv.Key)] = e.Kv
			}
		}
	}
	found := f.within(keys, op)
	if op.IsSortSet() {
		slices.Reverse(found)
	}
	answer := &pb.RangeResponse{Header: f.header()}
	for _, key := range found {
		if n := int(op.Limit()); n > 0 && len(answer.Kvs) == n {
			answer.More = true
			break
		}
		answer.Kvs = append(answer.Kvs, keys[key])
	}
	return answer, nil
}

// compact forgets what was before: watches that are not there yet end.
func (f *fakeEtcd) compact() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.compacted = f.rev
}

// cut ends all watches.
func (f *fakeEtcd) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.cutOff)
	f.cutOff = make(chan struct{})
}

// copy returns all keys as they are; restore goes back to them, at a later
// revision, as when a backup is restored.
func (f *fakeEtcd) copy() map[string]*mvccpb.KeyValue { return maps.Clone(f.keys) }

func (f *fakeEtcd) restore(keys map[string]*mvccpb.KeyValue) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var ops []clientv3.Op
	for key, kv := range keys {
		ops = append(ops, clientv3.OpPut(key, string(kv.Value)))
	}
	for key := range f.keys {
		if keys[key] == nil {
			ops = append(ops, clientv3.OpDelete(key))
		}
	}
	f.commit(ops)
}

func (f *fakeKV) Delete(ctx context.Context, key string, o ...clientv3.OpOption) (*clientv3.DeleteResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.commit([]clientv3.Op{clientv3.OpDelete(key, o...)})
	return &clientv3.DeleteResponse{Header: f.header()}, ctx.Err()
}

func (f *fakeWatcher) Watch(ctx context.Context, key string, o ...clientv3.OpOption) clientv3.WatchChan {
	told := make(chan clientv3.WatchResponse)
	op := clientv3.OpGet(key, o...)
	f.mu.Lock()
	cut := f.cutOff
	f.mu.Unlock()
	go func() {
		defer close(told)
		for at, rev := 0, op.Rev(); ; {
			f.mu.Lock()
			response := clientv3.WatchResponse{Header: f.header()}
			if rev <= f.compacted {
				response.CompactRevision, response.Canceled = f.compacted, true
			}
			for ; at < len(f.log); at++ {
				if e := f.log[at]; e.Kv.ModRevision >= rev && string(e.Kv.Key) >= key && string(e.Kv.Key) < string(op.RangeBytes()) {
					response.Events = append(response.Events, e)
				}
			}
			rev = f.rev + 1
			moved := f.moved
			f.mu.Unlock()
			if len(response.Events) > 0 || response.Canceled {
				select {
				case told <- response:
				case <-ctx.Done():
					return
				}
			}
			if response.Canceled {
				return
			}
			select {
			case <-moved:
			case <-cut:
				return
			case <-ctx.Done():
				return
			}
		}
	}()
	return told
}

func (f *fakeLease) Grant(ctx context.Context, ttl int64) (*clientv3.LeaseGrantResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.leases++
	f.expired[f.leases] = make(chan struct{})
	return &clientv3.LeaseGrantResponse{ID: f.leases, TTL: ttl}, ctx.Err()
}

func (f *fakeLease) KeepAlive(ctx context.Context, id clientv3.LeaseID) (<-chan *clientv3.LeaseKeepAliveResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	alive := make(chan *clientv3.LeaseKeepAliveResponse)
	expired := f.expired[id]
	go func() {
		defer close(alive)
		select {
		case <-expired:
		case <-ctx.Done():
		}
	}()
	return alive, nil
}

func (f *fakeLease) Revoke(_ context.Context, id clientv3.LeaseID) (*clientv3.LeaseRevokeResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.expire(id)
	return &clientv3.LeaseRevokeResponse{Header: f.header()}, nil
}

// expire ends a lease, with the keys that go with it. Clients' keys are the only
// ones with leases.
func (f *fakeEtcd) expire(id clientv3.LeaseID) {
	if f.expired[id] == nil {
		return
	}
	close(f.expired[id])
	delete(f.expired, id)
	var ops []clientv3.Op
	for key, kv := range f.keys {
		if h, err := decode[hello](kv.Key, kv.Value); err == nil && h.Lease == id {
			ops = append(ops, clientv3.OpDelete(key))
		}
	}
	if len(ops) > 0 {
		f.commit(ops)
	}
}
