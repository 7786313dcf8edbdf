package etcdbackend

import (
	"fmt"
	"net/url"

	"github.com/leasekit/leasekit/lease"
)

// keyspace names the keys of a namespace, which share one prefix:
//
//	head             what there is one of; every transaction writes it
//	config           the configuration
//	log/NUMBER       leases, waiters and tombstones that the transaction with this number changed
//	history/SEQ      events, from this one on, of one transaction
//	client/CLIENT    a process that is alive; gone with its etcd lease
//	turn/CLIENT      a process whose transaction failed, and that goes first
//	clock/CLIENT/PEER  what the clock of a peer showed when the client asked
type keyspace struct {
	prefix string
	head   string
}

func newKeyspace(namespace string) keyspace {
	prefix := "leasekit/" + url.PathEscape(namespace) + "/"
	return keyspace{prefix: prefix, head: prefix + headKey}
}

// The first parts of keys.
const (
	headKey    = "head"
	configKey  = "config"
	logKey     = "log/"
	historyKey = "history/"
	clientKey  = "client/"
	clockKey   = "clock/"
	turnKey    = "turn/"
)

func (k keyspace) config() string                 { return k.prefix + configKey }
func (k keyspace) client(name string) string      { return k.prefix + clientKey + name }
func (k keyspace) turn(name string) string        { return k.prefix + turnKey + name }
func (k keyspace) clock(client, of string) string { return k.prefix + clockKey + client + "/" + of }

// Both are in the order of their numbers: history names the key of the events
// from this one on.
func (k keyspace) history(first lease.Seq) string {
	return numbered(k.prefix+historyKey, uint64(first))
}
func (k keyspace) log(number int64) string { return numbered(k.prefix+logKey, uint64(number)) }

func numbered(prefix string, n uint64) string { return fmt.Sprintf("%s%016x", prefix, n) }

// mirrored returns the ranges of keys that every process keeps a copy of: all
// but the history.
func (k keyspace) mirrored() [2][2]string {
	return [2][2]string{
		{k.prefix, k.prefix + historyKey},
		{k.prefix + logKey, k.prefix + "~"},
	}
}
