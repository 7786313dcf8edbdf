package etcdbackend

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/leasekit/leasekit/lease"
)

// snapshot is all that is mirrored, at one revision of etcd.
type snapshot struct {
	contents

	at      int64 // the revision of etcd
	rev     int64 // of the head
	head    head
	config  lease.Config
	clients map[string]bool
	turns   map[string]int64
}

// snapshotPage is how many keys are read at a time.
const snapshotPage = 500

// snapshot reads the namespace. One that is compacted meanwhile is read again.
func (s *Store) snapshot(ctx context.Context) (*snapshot, error) {
	for {
		shot, err := s.readSnapshot(ctx)
		if !errors.Is(err, rpctypes.ErrCompacted) {
			return shot, err
		}
	}
}

func (s *Store) readSnapshot(ctx context.Context) (*snapshot, error) {
	shot := &snapshot{contents: newContents(), clients: map[string]bool{}, turns: map[string]int64{}}
	for _, span := range s.keys.mirrored() {
		for start := span[0]; ; {
			page, err := s.kv.Get(ctx, start, clientv3.WithRange(span[1]), clientv3.WithLimit(snapshotPage), clientv3.WithRev(shot.at))
			if err != nil {
				return nil, err
			}
			if shot.at == 0 {
				shot.at = page.Header.Revision // of later pages this is a later one
			}
			for _, kv := range page.Kvs {
				if err := shot.take(s.keys, kv); err != nil {
					return nil, err
				}
			}
			if !page.More {
				break
			}
			start = string(page.Kvs[len(page.Kvs)-1].Key) + "\x00"
		}
	}
	if shot.rev == 0 {
		return nil, errNamespaceGone
	}
	return shot, nil
}

// take takes in one key.
func (s *snapshot) take(keys keyspace, kv *mvccpb.KeyValue) error {
	name, ok := bytes.CutPrefix(kv.Key, []byte(keys.prefix))
	if !ok {
		return nil
	}
	var err error
	switch text := string(name); {
	case text == headKey:
		s.rev = kv.ModRevision
		err = unpack(kv, &s.head)
	case text == configKey:
		s.config, err = decode[lease.Config](kv.Key, kv.Value)
	case strings.HasPrefix(text, logKey): // in order
		next := &segment{}
		if err = unpack(kv, next); err == nil {
			next.number, err = strconv.ParseInt(text[len(logKey):], 16, 64)
			s.add(next)
		}
	case strings.HasPrefix(text, clientKey):
		s.clients[text[len(clientKey):]] = true
	case strings.HasPrefix(text, turnKey):
		s.turns[text[len(turnKey):]] = kv.ModRevision
	}
	return err
}

// create makes the namespace, if there is none.
func (s *Store) create(ctx context.Context) error {
	config := lease.DefaultConfig()
	config.Version = 1
	text, err := json.Marshal(config)
	if err != nil {
		return err
	}
	first, err := pack(&head{Layout: layout, Batch: string(lease.NewID()), Oldest: 1}, 0)
	if err != nil {
		return err
	}
	_, err = s.kv.Txn(ctx).
		If(clientv3.Compare(clientv3.CreateRevision(s.keys.head), "=", 0)).
		Then(clientv3.OpPut(s.keys.head, first), clientv3.OpPut(s.keys.config(), string(text))).
		Commit()
	return err
}
