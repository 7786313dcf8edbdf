// Package open finds the store that a command is to use, and the path that a
// file name stands for in it.
package open

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// The environment variables that say which store.
const (
	EnvStore     = "LEASEKIT_STORE"
	EnvNamespace = "LEASEKIT_NAMESPACE"
)

// Options say where to look. Only Dir is required.
type Options struct {
	Store     string              // --store; empty: not given
	Namespace string              // --namespace; empty: not given
	Dir       string              // the working directory, absolute
	Getenv    func(string) string // nil: no environment

	// Stores returns the opener for the scheme of a URL, nil if there is none; nil
	// opens SQLite files only.
	Stores func(scheme string) Opener
}

// Source says who chose the store.
type Source string

// The sources, the strongest first.
const (
	FromFlag        Source = "--store"
	FromEnvironment Source = EnvStore
	FromConfig      Source = ConfigName
	FromGit         Source = "git directory"
	FromUser        Source = "state directory"
)

// Why no store was found.
var (
	// ErrName: the flag or the environment names what is no store.
	ErrName = errors.New("no store")
	// ErrConfig: the configuration file cannot be read or understood.
	ErrConfig = errors.New("bad configuration file")
)

// Location is a store that was found and not opened yet, and the tree that its
// paths stand for.
type Location struct {
	URL       string // what [Location.Open] opens; it may hold a password, see [Redacted]
	Namespace string // empty: the store's default
	Source    Source

	Dir      string  // the working directory, without symbolic links
	Root     string  // the tree's top folder; file names become paths below it
	Git      *Git    // the work tree of the working directory; nil: none
	Settings *Config // the configuration file; nil: none

	private string // a folder to make for the user alone before the store is opened
	stores  func(scheme string) Opener
}

// Locate finds the store: the flag, the environment, the configuration file,
// or the embedded default, which is a file in the git directory that all linked
// work trees share, or one in the user's state directory.
//
// The tree's top folder is that of the configuration file, if it names a store,
// else that of the git work tree, else the file system's root. Who chose the store
// does not matter for it, so a child that has the store from its environment
// gives a file the same path.
func Locate(o Options) (Location, error) {
	if o.Getenv == nil {
		o.Getenv = func(string) string { return "" }
	}
	dir, err := filepath.EvalSymlinks(o.Dir)
	if err != nil {
		return Location{}, fmt.Errorf("working directory: %w", err)
	}
	l := Location{Dir: dir, Root: volume(dir), stores: o.Stores}
	if err := l.look(); err != nil {
		return Location{}, err
	}
	if l.Git != nil {
		l.Root = l.Git.Root
	}
	if l.Settings != nil {
		l.Namespace = l.Settings.Namespace
		if l.Settings.Store != "" {
			l.Root = filepath.Dir(l.Settings.File)
		}
	}
	if n := o.Getenv(EnvNamespace); n != "" {
		l.Namespace = n
	}
	if o.Namespace != "" {
		l.Namespace = o.Namespace
	}
	return l, l.choose(o)
}

// look finds the configuration file and the work tree, in one walk upwards.
func (l *Location) look() error {
	for folder := range parents(l.Dir) {
		if l.Settings == nil {
			c, err := readConfig(filepath.Join(folder, ConfigName))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			l.Settings = c
		}
		if l.Git == nil {
			if g, ok := findGit(folder); ok {
				l.Git = &g
			}
		}
	}
	return nil
}

// choose sets the store's URL by the strongest source.
func (l *Location) choose(o Options) error {
	switch {
	case o.Store != "":
		return l.named(o.Store, FromFlag)
	case o.Getenv(EnvStore) != "":
		return l.named(o.Getenv(EnvStore), FromEnvironment)
	case l.Settings != nil && l.Settings.Store != "":
		return l.configured(o.Getenv)
	case l.Git != nil:
		l.Source = FromGit
		l.private = filepath.Join(l.Git.Common, "leasekit")
	default:
		state, err := stateDir(o.Getenv)
		if err != nil {
			return err
		}
		l.Source = FromUser
		l.private = state
	}
	l.URL = fileURL(filepath.Join(l.private, "leases.db"))
	return nil
}

// named sets a store that the user named: file names are relative to the
// working directory.
func (l *Location) named(store string, source Source) error {
	url, err := l.normalize(store, l.Dir)
	if err != nil {
		return fmt.Errorf("%w in %s: %w", ErrName, source, err)
	}
	l.URL, l.Source = url, source
	return nil
}

// stateDir returns the user's state directory for this program.
func stateDir(getenv func(string) string) (string, error) {
	if dir := getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "leasekit"), nil
	}
	if runtime.GOOS == "windows" {
		if dir := getenv("LOCALAPPDATA"); dir != "" {
			return filepath.Join(dir, "leasekit"), nil
		}
	}
	home := getenv("HOME")
	if home == "" {
		home, _ = os.UserHomeDir()
	}
	if !filepath.IsAbs(home) {
		return "", errors.New("no home directory to keep the leases in: name a store with --store or " + EnvStore)
	}
	return filepath.Join(home, ".local", "state", "leasekit"), nil
}

// volume returns the root of the file system that an absolute name is on.
func volume(name string) string {
	return filepath.VolumeName(name) + string(filepath.Separator)
}
