package boltstore

import (
	"bytes"
	"encoding/binary"

	bolt "go.etcd.io/bbolt"

	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/lease"
)

// The kinds of keys in the index, each with what follows it in the key. Times,
// arrivals and places sort as bytes. The value is the record's ID.
const (
	byArrival  = 'a' // arrival
	byEnd      = 'e' // of what has ended: the moment, arrival
	byDeadline = 'd' // of what has not ended, as all below: the deadline, arrival
	byLiving   = 'l' // arrival
	byHolder   = 'h' // status, holder, place
	byClaim    = 'c' // status, path, place, mode, scope
	byOther    = 'o' // of who waits: what it would replace, or its parent, place
	byChain    = 'x' // status, an ID of the chain, arrival
	byEventID  = 'i' // events: the lease's ID, Seq; no value
)

// key makes a key: the kind, the text and its end, the numbers. No text has a
// NUL byte.
func key(kind byte, text string, numbers ...int64) []byte {
	k := append([]byte{kind}, text...)
	if text != "" {
		k = append(k, 0)
	}
	for _, n := range numbers {
		k = append(k, number(n)...)
	}
	return k
}

// number writes a number so that numbers sort as bytes.
func number(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)^1<<63) }

func read64(b []byte) int64 { return int64(binary.BigEndian.Uint64(b) ^ 1<<63) }

func with(s lease.Status, text string) string { return string(rune('0'+s)) + text }

// place is the order of leases and of waiters.
func place(r *rules.Record) rules.Place {
	if r.Status == lease.Pending {
		return r.Place()
	}
	return rules.Place{Arrival: r.Arrival}
}

func order(p rules.Place) []byte { return key(0, "", p.Key, p.Arrival)[1:] }

// keys are the keys of a record in the index.
func keys(r *rules.Record) [][]byte {
	all := [][]byte{key(byArrival, "", r.Arrival)}
	if r.Status.Ended() {
		return append(all, key(byEnd, "", r.Ended, r.Arrival))
	}
	p := place(r)
	all = append(all, key(byDeadline, "", r.Deadline, r.Arrival), key(byLiving, "", r.Arrival),
		key(byHolder, with(r.Status, r.Holder), p.Key, p.Arrival))
	for _, c := range r.Claims {
		all = append(all, append(key(byClaim, with(r.Status, c.Path), p.Key, p.Arrival), byte(c.Mode), byte(c.Scope)))
	}
	for _, id := range r.Chain {
		all = append(all, key(byChain, with(r.Status, string(id)), r.Arrival))
	}
	for _, other := range []lease.ID{r.Replace.ID, r.Parent.ID} {
		if other != "" && r.Status == lease.Pending {
			all = append(all, key(byOther, string(other), p.Key, p.Arrival))
		}
	}
	return all
}

// scan calls visit with the keys that begin with prefix, from one of them on,
// until it returns false.
func scan(b *bolt.Bucket, prefix, from []byte, visit func(k, v []byte) bool) {
	c := b.Cursor()
	for k, v := c.Seek(from); k != nil && bytes.HasPrefix(k, prefix); k, v = c.Next() {
		if !visit(k, v) {
			return
		}
	}
}
