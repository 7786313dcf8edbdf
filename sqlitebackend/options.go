package sqlitebackend

import (
	"strings"
	"unicode/utf8"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/sqlitebackend/internal/sqlitedb"
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

// Options of a store. Nil means the zero value.
type Options struct {
	// Namespace separates stores that share a file: each has its own leases,
	// queue, tokens, history and configuration. Empty means
	// [DefaultNamespace]; at most [lease.MaxIDBytes] bytes of UTF-8.
	Namespace string
	// Synchronous is [Full] unless said otherwise.
	Synchronous Synchronous
	// NetworkFileSystem allows a file on a network file system (NFS, SMB, 9P, ...).
	// Locks do not work on most of them: a path may be granted twice, and the
	// file be damaged. One machine alone may use such a file at any time.
	NetworkFileSystem bool
	// Engine is passed on to [backend.New].
	Engine *backend.Options
}

func (o *Options) engine() *backend.Options {
	if o == nil {
		return nil
	}
	return o.Engine
}

// database returns the options of the database.
func (o Options) database() sqlitedb.Options {
	return sqlitedb.Options{Normal: o.Synchronous == Normal, Network: o.NetworkFileSystem}
}

// withDefaults returns the options with their defaults filled in.
func (o *Options) withDefaults() (Options, error) {
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
