package open

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/leasekit/leasekit/lease"
)

// ErrConsent: a configuration file leads to a store outside of its tree, and
// the user has not agreed to that. [Location.Allow] agrees.
var ErrConsent = errors.New("a store outside of the tree needs your consent")

// ConsentError is [ErrConsent] with what asks for it.
type ConsentError struct {
	File  string // the configuration file
	Store string // where it leads, without a password
}

// Error names the file and where it leads.
func (e *ConsentError) Error() string {
	return fmt.Sprintf("%s leads to %s: %v", e.File, e.Store, ErrConsent)
}

// Unwrap returns [ErrConsent].
func (e *ConsentError) Unwrap() error { return ErrConsent }

// configured sets the store that the configuration file names. A database file
// inside the file's own tree needs no consent, if the file is the user's own.
func (l *Location) configured(getenv func(string) string) error {
	c := l.Settings
	address, err := l.normalize(c.Store, l.Root)
	if err != nil {
		return fmt.Errorf("%w: %s: store: %w", ErrConfig, c.File, err)
	}
	l.URL, l.Source = address, FromConfig
	if name, ok := File(address); ok && ownFile(c.File) {
		if _, err := lease.FilePath(l.Root, name); err == nil {
			return nil
		}
	}
	dir, err := consentDir(getenv)
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, c.consentKey())); err == nil {
		return nil
	}
	return &ConsentError{File: c.File, Store: Redacted(address)}
}

// Allow records the user's consent to where the configuration file leads now.
// Another store in the same file needs consent again.
func Allow(c *Config, getenv func(string) string) error {
	dir, err := consentDir(getenv)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, c.consentKey()), []byte(c.File+"\n"), 0o600)
}

// FindConfig returns the configuration file for a folder, nil if there is none.
func FindConfig(dir string) (*Config, error) {
	l := Location{Dir: dir}
	err := l.look()
	return l.Settings, err
}

// consentKey names the record of consent to this file's store and namespace.
func (c *Config) consentKey() string {
	sum := sha256.Sum256([]byte(strings.Join([]string{c.File, c.Store, c.Namespace}, "\x00")))
	return hex.EncodeToString(sum[:])
}

// consentDir is outside of every tree: in the user's state directory.
func consentDir(getenv func(string) string) (string, error) {
	state, err := stateDir(getenv)
	return filepath.Join(state, "allowed"), err
}
