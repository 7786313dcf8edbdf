package redisbackend

import (
	"time"

	"github.com/leasekit/leasekit/backend"
)

// DefaultNamespace is the namespace of Options without one.
const DefaultNamespace = "default"

// DefaultWaitTimeout is how long a step waits for its replicas unless Options.WaitTimeout says otherwise.
const DefaultWaitTimeout = time.Second

// Options configures a store; nil is the defaults.
type Options struct {
	// Namespace keeps leases apart from those of other namespaces on the same server. Any text; "" is
	// DefaultNamespace.
	Namespace string

	// Engine is passed on to backend.New by Open.
	Engine *backend.Options

	// WaitReplicas is the number of replicas that must have a step before it counts: before a lease is granted or
	// renewed, say. A step that fewer have after WaitTimeout fails with ErrUnavailable, and a grant is taken back.
	// That narrows what a failover can lose and does not rule it out; see the package documentation. 0 does not
	// wait.
	WaitReplicas int
	WaitTimeout  time.Duration // 0: DefaultWaitTimeout

	// Warn is told, when a store is opened, of settings of the server that could lose leases, and if they cannot be
	// read. nil is silence.
	Warn func(problem string)
}

func (o *Options) orDefaults() Options {
	var filled Options
	if o != nil {
		filled = *o
	}
	if filled.Namespace == "" {
		filled.Namespace = DefaultNamespace
	}
	if filled.WaitTimeout == 0 {
		filled.WaitTimeout = DefaultWaitTimeout
	}
	return filled
}
