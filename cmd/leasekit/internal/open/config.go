package open

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// ConfigName is the name of the configuration file that is looked for from the
// working directory upwards.
const ConfigName = ".leasekit.json"

// maxConfigBytes bounds a configuration file.
const maxConfigBytes = 1 << 20

// Config is what a configuration file says. A checkout may have brought it
// along, so nothing in it is run, and where it leads is judged (consent.go).
type Config struct {
	Store     string          `json:"store,omitempty"`     // a URL, or a file name relative to the file's folder
	Namespace string          `json:"namespace,omitempty"` // empty: the store's default
	Worktrees string          `json:"worktrees,omitempty"` // "separate" (default): each linked work tree has paths of its own; "shared": equal names are one path
	Hook      json.RawMessage `json:"hook,omitempty"`      // read by the agents' hook

	File string `json:"-"` // the file's name
}

// The values of Config.Worktrees.
const (
	Separate = "separate"
	Shared   = "shared"
)

// readConfig reads a configuration file. A file that is not there is
// [io/fs.ErrNotExist].
func readConfig(name string) (*Config, error) {
	b, err := readSmall(name, maxConfigBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	c, err := parseConfig(b)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrConfig, name, err)
	}
	c.File = name
	return c, nil
}

// parseConfig reads the text of a configuration file. A field that this version
// does not know is an error: what it was to achieve would not happen.
func parseConfig(b []byte) (*Config, error) {
	var c Config
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one JSON value")
	}
	switch c.Worktrees {
	case "", Separate, Shared:
	default:
		return nil, fmt.Errorf("worktrees: %q, want %q or %q", c.Worktrees, Separate, Shared)
	}
	return &c, nil
}

// readSmall reads a regular file of at most so many bytes.
func readSmall(name string, most int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", name)
	}
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(b)) > most {
		err = fmt.Errorf("%s: more than %d bytes", name, most)
	}
	return b, err
}
