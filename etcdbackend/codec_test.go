package etcdbackend

import (
	"encoding/hex"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/leasekit/leasekit/lease"
)

// full returns a record with all of its fields set.
func full(n int64) *record {
	return &record{
		ID: lease.ID(fmt.Sprint("id ", n)), Holder: "holder", TTL: 60_000, MaxRenewals: -1, Priority: 1, Distinct: true,
		Claims:  []lease.Claim{{Path: "a/b"}, {Path: "c", Mode: lease.Shared, Scope: lease.Tree}},
		Labels:  map[string]string{"z": "last", "a": "first"},
		Replace: lease.Ref{ID: "old", Holder: "holder", Token: 7}, Parent: lease.Ref{ID: "parent", Holder: "p", Token: 8},
		Chain: []lease.ID{"parent", "grandparent"}, Client: "client", Attempts: "one\ntwo", Arrival: n, Key: 1_700_000_000_000,
		Status: lease.Released, EndReason: lease.EndReplaced, Successor: "next", Actor: "actor", Reason: "reason",
		Token: 9, Renewals: 3, RenewOp: "op", Created: 1_700_000_000_000 + n, Granted: 1_700_000_000_001, Deadline: 1_700_000_060_001,
		Updated: 1_700_000_000_002, Ended: 1_700_000_000_003,
	}
}

// stored packs a value and reads it again.
func stored(t *testing.T, value, into coded) string {
	t.Helper()
	text, err := pack(value, 1_700_000_000_000)
	require.NoError(t, err)
	require.NoError(t, unpack(&mvccpb.KeyValue{Key: []byte("key"), Value: []byte(text)}, into))
	require.Equal(t, value, into)
	return text
}

// TestStored: what is stored is read as it was, few and many, small and all that
// there may be.
func TestStored(t *testing.T) {
	stored(t, &head{Layout: layout}, &head{})
	stored(t, &head{
		Layout: layout, Batch: "batch", Previous: "previous", Client: "client", Number: 5, Log: 2,
		Counters: counters{1, 2, 3, 4, 5, 6, 7, 8}, Oldest: 9, OldestAt: -10, Woken: []lease.ID{"a", "b"},
	}, &head{})
	for _, id := range []lease.ID{
		lease.NewID(), "", "0", "019AD0B2-6d7e-7000-8000-00000000000a", "019ad0b2-6d7e-7000-8000-00000000000a", "019ad0b2-6d7e-7000-8000_00000000000a",
		"019ad0b26d7e-7000-8000--00000000000a", "x19ad0b2-6d7e-7000-8000-00000000000a",
	} {
		stored(t, &segment{Removed: []lease.ID{id, "next"}}, &segment{})
	}
	for _, n := range []int64{0, 1, 100} {
		s, e := &segment{}, new(events)
		for i := range n {
			s.Records = append(s.Records, full(i), &record{ID: lease.ID(fmt.Sprint(i))})
			s.Removed = append(s.Removed, lease.ID(fmt.Sprint("removed ", i)))
			s.Buried = map[string]int64{"until": 1_700_000_000_000 + i, "dug up": 0}
			*e = append(*e, event{Seq: 5 + lease.Seq(i), Kind: lease.KindGranted, At: 1, Recorded: -2, Actor: "a", Reason: "r", Lease: *full(i), first: 5})
		}
		stored(t, s, &segment{})
		text := stored(t, e, new(events))
		require.Equal(t, n == 100, text[0] == compressed)
	}
}

// TestSmall: in a large transaction a lease and its event take less than 60 bytes.
func TestSmall(t *testing.T) {
	const leases, now = 64, 1_700_000_000_000
	s, e := &segment{}, new(events)
	for i := range leases {
		r := record{
			ID: lease.NewID(), Holder: fmt.Sprint("agent ", i), Claims: lease.Paths(fmt.Sprintf("src/pkg%d/file.go", i)), TTL: 60_000,
			MaxRenewals: -1, Status: lease.Active, Token: lease.Token(90_000 + i), Created: now, Granted: now, Deadline: now + 60_000, Updated: now,
		}
		*e = append(*e, event{Seq: lease.Seq(170_000 + i), Kind: lease.KindGranted, At: now, Recorded: now, Lease: r, first: 170_000})
		r.Attempts, r.Arrival, r.Key = string(r.ID), int64(80_000+i), now
		s.Records = append(s.Records, &r)
	}
	bytes := len(stored(t, s, &segment{})) + len(stored(t, e, new(events)))
	require.Less(t, bytes/leases, 60)
}

// TestLayout: what is stored has the form that the layout's number stands for.
func TestLayout(t *testing.T) {
	text := stored(t, &segment{Records: []*record{full(1)}}, &segment{})
	require.Equal(t, "0080a0abfef962010569642031086f6e650a74776f06686f6c6465720203612f620000016301010209030103c3a907050703087265706c6163656407636c69656e74c0a9070106026f7002"+
		"01020161017a056669727374046c617374046f6c6406686f6c6465720707706172656e740170080207706172656e740c6772616e64706172656e74056e657874056163746f7206726561736f6e0000", hex.EncodeToString([]byte(text)), "another form: raise the layout's number")
}

// FuzzUnpack: whatever a key has, to read it is an error or a value.
func FuzzUnpack(f *testing.F) {
	for _, value := range []coded{&head{Layout: layout}, &segment{Records: []*record{full(1)}}, &events{{Seq: 1}, {Seq: 2}}} {
		text, err := pack(value, 5)
		require.NoError(f, err)
		f.Add([]byte(text))
	}
	f.Add([]byte{plain, layout * 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, value []byte) {
		for _, into := range []coded{&head{}, &segment{}, new(events)} {
			if unpack(&mvccpb.KeyValue{Key: []byte("key"), Value: value}, into) == nil {
				_, err := pack(into, 0)
				require.NoError(t, err)
			}
		}
	})
}
