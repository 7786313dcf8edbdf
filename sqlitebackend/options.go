package sqlitebackend

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// DefaultNamespace is the namespace of a store whose options name none.
const DefaultNamespace = "default"

// Synchronous says when a commit counts as done.
type Synchronous uint8

const (
	// Full waits until every commit is on the disk: a token that was handed
	// out is never handed out again, even after a power loss.
	Full Synchronous = iota
	// Normal leaves the last commits to the operating system. They survive the
	// end of the process, kill -9 included, but not a power loss.
	Normal
)

// String returns the name as PRAGMA synchronous spells it.
func (s Synchronous) String() string {
	if s == Normal {
		return "NORMAL"
	}
	return "FULL"
}

// level is the number that PRAGMA synchronous reports: the higher, the safer.
func (s Synchronous) level() int {
	if s == Normal {
		return 1
	}
	return 2
}

// Options of a store. Nil means the zero value.
type Options struct {
	// Namespace separates stores that share a file: each has its own leases,
	// queue, tokens, history and configuration. Empty means
	// [DefaultNamespace]; at most [lease.MaxIDBytes] bytes of UTF-8.
	Namespace string
	// Synchronous is [Full] unless said otherwise.
	Synchronous Synchronous
	// Engine is passed on to [backend.New].
	Engine *backend.Options
}

func (o *Options) engine() *backend.Options {
	if o == nil {
		return nil
	}
	return o.Engine
}

const (
	// busyPatience is how long a write keeps asking for SQLite's write lock
	// before it reports that the store is unavailable. Other processes of
	// Leasekit hold the lock for milliseconds; this is for the others.
	busyPatience = 10 * time.Second
	// readPatience is the busy_timeout of our own readers. In WAL mode they
	// wait only while a file is being recovered after a crash.
	readPatience = 5 * time.Second
)

// settle returns the options with their defaults filled in.
func (o *Options) settle() (Options, error) {
	var filled Options
	if o != nil {
		filled = *o
	}
	if filled.Namespace == "" {
		filled.Namespace = DefaultNamespace
	}
	switch n := filled.Namespace; {
	case len(n) > lease.MaxIDBytes:
		return Options{}, lease.Invalid("namespace", "%d bytes, at most %d", len(n), lease.MaxIDBytes)
	case !utf8.ValidString(n) || strings.ContainsRune(n, 0):
		return Options{}, lease.Invalid("namespace", "not UTF-8, or has a NUL byte")
	case filled.Synchronous > Normal:
		return Options{}, lease.Invalid("synchronous", "no such value: %d", filled.Synchronous)
	}
	return filled, nil
}
