package postgresbackend

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/internal/hints"
	"github.com/leasekit/leasekit/lease"
)

// What is used where the options name nothing else.
const (
	DefaultNamespace = "default"
	DefaultSchema    = "leasekit"
	DefaultPatience  = 10 * time.Second
)

// maxSchemaBytes is what PostgreSQL keeps of a name.
const maxSchemaBytes = 63

// SynchronousCommit says when a commit counts as done: PostgreSQL's setting of
// that name. See the package doc for what each promises.
type SynchronousCommit string

// The values of [SynchronousCommit].
const (
	ServerDefault SynchronousCommit = ""             // what the server, the database or the role says
	Off           SynchronousCommit = "off"          // before it is on the disk
	Local         SynchronousCommit = "local"        // on the disk of the primary
	RemoteWrite   SynchronousCommit = "remote_write" // and with the synchronous replicas' operating systems
	On            SynchronousCommit = "on"           // and on their disks
	RemoteApply   SynchronousCommit = "remote_apply" // and visible there
)

// Options of a store. Nil means the zero value.
type Options struct {
	// Namespace separates stores that share a schema: each has its own leases,
	// queue, tokens, history and configuration. Empty means [DefaultNamespace];
	// at most [lease.MaxIDBytes] bytes of UTF-8.
	Namespace string
	// Schema is where the tables are. Empty means [DefaultSchema]; at most 63
	// bytes.
	Schema string
	// SynchronousCommit of the store's transactions.
	SynchronousCommit SynchronousCommit
	// Patience bounds a transaction of the store, its wait for other processes
	// included. What takes longer is given up, and its outcome is unknown if the
	// server does not answer. Zero means [DefaultPatience].
	Patience time.Duration
	// Engine is passed on to [backend.New].
	Engine *backend.Options

	// Of tests in virtual time: what becomes of a reading of the server's clock,
	// the waiters of all handles, which then need no notifications, and what is
	// done before and after a connection is used.
	clock   func(server time.Time) time.Time
	waiters *hints.Hub
	use     func() (used func())
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
	if filled.Namespace == "" {
		filled.Namespace = DefaultNamespace
	}
	if filled.Schema == "" {
		filled.Schema = DefaultSchema
	}
	if filled.use == nil {
		filled.use = func() func() { return func() {} }
	}
	if filled.clock == nil {
		filled.clock = func(server time.Time) time.Time { return server }
	}
	if filled.Patience == 0 {
		filled.Patience = DefaultPatience
	}
	for _, name := range []struct {
		field, value string
		most         int
	}{{"namespace", filled.Namespace, lease.MaxIDBytes}, {"schema", filled.Schema, maxSchemaBytes}} {
		switch {
		case len(name.value) > name.most:
			return Options{}, lease.Invalid(name.field, "%d bytes, at most %d", len(name.value), name.most)
		case !utf8.ValidString(name.value) || strings.ContainsRune(name.value, 0):
			return Options{}, lease.Invalid(name.field, "not UTF-8, or has a NUL byte")
		}
	}
	if filled.Patience < 0 {
		return Options{}, lease.Invalid("patience", "%v is less than 0", filled.Patience)
	}
	switch filled.SynchronousCommit {
	case ServerDefault, Off, Local, RemoteWrite, On, RemoteApply:
	default:
		return Options{}, lease.Invalid("synchronous_commit", "no such value: %q", filled.SynchronousCommit)
	}
	return filled, nil
}
