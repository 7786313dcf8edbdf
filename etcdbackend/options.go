package etcdbackend

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// The values of options that are not set.
const (
	DefaultNamespace   = "default"
	DefaultMaxSkew     = 500 * time.Millisecond
	DefaultSessionTTL  = 10 * time.Second
	DefaultMaxTxnBytes = 1_500_000
)

// OneClock as Options.MaxSkew says that all processes of the namespace read the
// same clock, since they run on one machine.
const OneClock time.Duration = -1

// Options of a store. Nil means the zero value.
type Options struct {
	// Namespace separates stores that share a cluster: each has its own leases,
	// queue, tokens, history and configuration, in keys that begin with
	// "leasekit/", its name (escaped as in a URL's path) and "/". Empty means
	// [DefaultNamespace]; at most [lease.MaxIDBytes] bytes of UTF-8.
	Namespace string

	// MaxSkew is how far the clocks of two machines may be apart. All processes
	// of a namespace must have the same. Every holder is told that its lease ends
	// earlier by as much, so a TTL must be longer. 0 means [DefaultMaxSkew];
	// see [OneClock].
	MaxSkew time.Duration

	// SessionTTL is how long after the end of a process others still wait behind
	// its waiters, in whole seconds. 0 means [DefaultSessionTTL]. Servers round it
	// up to a minimum of their own. Leases do not depend on it.
	SessionTTL time.Duration

	// MaxTxnBytes is what the servers accept in one transaction, by their setting
	// max-request-bytes. 0 means [DefaultMaxTxnBytes].
	MaxTxnBytes int

	// Engine is passed on to [backend.New].
	Engine *backend.Options

	wall  func() time.Time // of tests: the machine's clock
	spare int              // of tests: entries of the log that may be of no use
}

func (o *Options) engine() *backend.Options {
	if o == nil {
		return nil
	}
	return o.Engine
}

// withDefaults returns the options with their defaults filled in.
func (o *Options) withDefaults() (Options, error) {
	var filled Options
	if o != nil {
		filled = *o
	}
	setDefault(&filled.Namespace, DefaultNamespace)
	setDefault(&filled.MaxSkew, DefaultMaxSkew)
	setDefault(&filled.SessionTTL, DefaultSessionTTL)
	setDefault(&filled.MaxTxnBytes, DefaultMaxTxnBytes)
	setDefault(&filled.spare, spareEntries)
	if filled.wall == nil {
		filled.wall = time.Now
	}
	switch n := filled.Namespace; {
	case len(n) > lease.MaxIDBytes:
		return Options{}, lease.Invalid("namespace", "%d bytes, at most %d", len(n), lease.MaxIDBytes)
	case !utf8.ValidString(n) || strings.ContainsRune(n, 0):
		return Options{}, lease.Invalid("namespace", "not UTF-8, or has a NUL byte")
	case filled.MaxSkew < 0 && filled.MaxSkew != OneClock:
		return Options{}, lease.Invalid("max_skew", "%v", filled.MaxSkew)
	case filled.SessionTTL < time.Second:
		return Options{}, lease.Invalid("session_ttl", "%v, at least a second", filled.SessionTTL)
	case filled.MaxTxnBytes < minTxnBytes:
		return Options{}, lease.Invalid("max_txn_bytes", "%d, at least %d", filled.MaxTxnBytes, minTxnBytes)
	}
	return filled, nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// skew is what is taken off the end of a lease that a holder is told.
func (o Options) skew() time.Duration { return max(o.MaxSkew, 0) }
