package redisbackend

import (
	"crypto/rand"
	"strings"
)

// keyspace makes the names of a namespace's keys and channels, all of the form
//
//	leasekit:{namespace}:name
//
// What stands in braces is the hash tag: all keys of a namespace are in one slot of a Cluster, so one script can
// use them all. The namespace is escaped, so that two of them never share a key, whatever they contain: bytes other
// than letters, digits and "-._:/" become %XX, and the empty namespace, whose tag would not count as one, "%".
type keyspace struct {
	prefix string
}

func newKeyspace(namespace string) keyspace {
	return keyspace{prefix: "leasekit:{" + escapeNamespace(namespace) + "}:"}
}

// key returns the full name of a key. The name is the program's, not the user's, and is not escaped.
func (k keyspace) key(name string) string { return k.prefix + name }

// keys returns the full names of several keys, for the KEYS of a script.
func (k keyspace) keys(names ...string) []string {
	full := make([]string, len(names))
	for i, name := range names {
		full[i] = k.key(name)
	}
	return full
}

// wakeChannel returns the channel of a wake address.
func (k keyspace) wakeChannel(address string) string { return k.key("wake:" + address) }

// newWakeAddress names one process' place to be woken at. Its first letter tells the scripts of other processes, whose
// clients may be of another kind, whether to publish to a sharded channel ("s") or a plain one ("p"), and in capitals
// that the server cannot know whether it listens.
func newWakeAddress(sharded, elsewhere bool) string {
	letter := "p"
	if sharded {
		letter = "s"
	}
	if elsewhere {
		letter = strings.ToUpper(letter)
	}
	return letter + rand.Text()
}

func escapeNamespace(namespace string) string {
	if namespace == "" {
		return "%"
	}
	const hex = "0123456789ABCDEF"
	var escaped strings.Builder
	for i := range len(namespace) {
		b := namespace[i]
		switch {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9', strings.IndexByte("-._:/", b) >= 0:
			escaped.WriteByte(b)
		default:
			escaped.WriteByte('%')
			escaped.WriteByte(hex[b>>4])
			escaped.WriteByte(hex[b&15])
		}
	}
	return escaped.String()
}
