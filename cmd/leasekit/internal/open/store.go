package open

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/sqlitebackend"
)

// Opener opens the store that a URL names. The closer, if there is one, is closed
// after the Manager.
type Opener func(ctx context.Context, t Target) (lease.Manager, io.Closer, error)

// Target is what an Opener needs to know.
type Target struct {
	URL       string // as [Location.URL]
	Namespace string // empty: the store's default
	Engine    *backend.Options
	Warn      func(problem string)
}

// Store is an open store. Close it. Its Manager is the store's own, with the
// methods that a lease.Keeper looks for.
type Store struct {
	lease.Manager
	Location

	client io.Closer // nil: none
}

// Close closes the Manager, and what it spoke through.
func (s *Store) Close() error {
	err := s.Manager.Close()
	if s.client != nil {
		err = errors.Join(err, s.client.Close())
	}
	return err
}

// OpenOptions change how a store is opened. Nil is the default.
type OpenOptions struct {
	Observer *backend.Observer
	Warn     func(problem string) // told of settings of the store that could lose leases; nil: silence
}

// Error says that a store cannot be used.
type Error struct {
	Store  string // its URL without the password
	Source Source // who chose it
	Err    error
}

// Error names the store, who chose it, and the cause.
func (e *Error) Error() string {
	return fmt.Sprintf("store %s (from %s): %v", e.Store, e.Source, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Open opens the store. Errors are [*Error].
func (l Location) Open(ctx context.Context, o *OpenOptions) (*Store, error) {
	if o == nil {
		o = new(OpenOptions)
	}
	fail := func(err error) (*Store, error) {
		return nil, &Error{Store: Redacted(l.URL), Source: l.Source, Err: err}
	}
	if l.private != "" {
		if err := makePrivate(l.private); err != nil {
			return fail(err)
		}
	}
	t := Target{URL: l.URL, Namespace: l.Namespace, Warn: o.Warn}
	if o.Observer != nil {
		t.Engine = &backend.Options{Observer: o.Observer}
	}
	scheme, _, _ := strings.Cut(l.URL, ":")
	open := l.opener(scheme)
	if open == nil {
		return fail(errScheme(scheme))
	}
	m, client, err := open(ctx, t)
	if err != nil {
		return fail(err)
	}
	return &Store{Manager: m, Location: l, client: client}, nil
}

// makePrivate makes a folder that only its user can look into.
func makePrivate(dir string) error {
	err := os.Mkdir(dir, 0o700)
	switch {
	case err == nil, errors.Is(err, os.ErrExist):
		return nil
	case errors.Is(err, os.ErrNotExist):
		return os.MkdirAll(dir, 0o700)
	}
	return err
}

// opener returns what opens the stores of a scheme, nil if there is nothing.
func (l Location) opener(scheme string) Opener {
	switch {
	case scheme == "sqlite":
		return openSQLite
	case l.stores == nil:
		return nil
	}
	return l.stores(scheme)
}

func openSQLite(ctx context.Context, t Target) (lease.Manager, io.Closer, error) {
	name, _ := File(t.URL)
	m, err := sqlitebackend.Open(ctx, name, &sqlitebackend.Options{Namespace: t.Namespace, Engine: t.Engine})
	return m, nil, err
}

// ErrScheme: no store has URLs of this scheme.
var ErrScheme = errors.New("unknown kind of store")

func errScheme(scheme string) error {
	return fmt.Errorf("%w %q, want a file name, or one of sqlite:, redis:, rediss:, postgres:, etcd:, etcds: and what follows", ErrScheme, scheme)
}

// normalize returns the URL of a store that was given as a URL or a file name;
// file names are relative to dir.
func (l Location) normalize(store, dir string) (string, error) {
	if strings.ContainsRune(store, 0) {
		return "", errors.New("a NUL byte in the store's name")
	}
	scheme, rest, ok := strings.Cut(store, ":")
	switch {
	case ok && scheme == "sqlite":
		rest = strings.TrimPrefix(rest, "//")
		if rest == "" {
			return "", errors.New("sqlite: without a file name")
		}
		return fileURL(absolute(dir, rest)), nil
	case ok && isScheme(scheme):
		if l.opener(scheme) == nil {
			return "", errScheme(scheme)
		}
		return store, nil
	case strings.TrimSpace(store) == "":
		return "", errors.New("an empty name")
	}
	return fileURL(absolute(dir, store)), nil
}

// isScheme reports whether what stands before a colon is a URL's scheme, and not
// a drive's letter or a part of a file name.
func isScheme(s string) bool {
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '+' {
			return false
		}
	}
	return len(s) > 1
}

// fileURL is the URL of a database file; the name is absolute.
func fileURL(name string) string { return "sqlite:" + name }

// File returns the name of the database file that a URL names, and false for
// any other store.
func File(storeURL string) (string, bool) { return strings.CutPrefix(storeURL, "sqlite:") }

// Redacted returns a store's URL without a password, for people to read.
func Redacted(storeURL string) string {
	if name, ok := File(storeURL); ok {
		return filepath.FromSlash(name)
	}
	u, err := url.Parse(storeURL)
	if err != nil {
		scheme, _, _ := strings.Cut(storeURL, ":")
		return scheme + ":(unreadable)"
	}
	q := u.Query()
	for key := range q {
		if strings.Contains(strings.ToLower(key), "password") {
			q.Set(key, "xxxxx")
		}
	}
	u.RawQuery = q.Encode()
	return u.Redacted()
}
