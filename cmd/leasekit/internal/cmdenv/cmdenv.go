// Package cmdenv is what a command may use of the process that it runs in, so
// that tests can run one inside their own.
package cmdenv

import (
	"context"
	"io"
	"os"
	"strings"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/open"
)

// Env is the environment of a command.
type Env struct {
	In       io.Reader
	Out, Err io.Writer
	Dir      string   // the working directory, absolute
	Environ  []string // "KEY=value", as [os.Environ]

	// Stores has the stores besides SQLite files ([open.Options]).
	Stores func(scheme string) open.Opener

	// Set by the flags of the root command.
	Store     string
	Namespace string
}

// Process returns the environment of this process, with these stores.
func Process(stores func(scheme string) open.Opener) *Env {
	dir, _ := os.Getwd() // a folder that is gone is noticed when the store is looked for
	return &Env{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Dir: dir, Environ: os.Environ(), Stores: stores}
}

// Getenv returns the value of an environment variable, empty if it is not set.
func (e *Env) Getenv(key string) string {
	for i := len(e.Environ) - 1; i >= 0; i-- {
		if k, v, ok := strings.Cut(e.Environ[i], "="); ok && k == key {
			return v
		}
	}
	return ""
}

// Locate finds the store without opening it.
func (e *Env) Locate() (open.Location, error) {
	return open.Locate(open.Options{Store: e.Store, Namespace: e.Namespace, Dir: e.Dir, Getenv: e.Getenv, Stores: e.Stores})
}

// Open finds the store and opens it. The caller closes it.
func (e *Env) Open(ctx context.Context) (*open.Store, error) {
	l, err := e.Locate()
	if err != nil {
		return nil, err
	}
	return l.Open(ctx, nil)
}
