package agentinit

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

//go:embed opencode.js
var plugin string

const pluginMark = "// Written by leasekit init opencode"

// configurePlugin returns the change that puts our plugin where OpenCode looks
// for plugins.
func configurePlugin(s Setup, remove bool) (Change, error) {
	dir := filepath.Join(s.Home, ".config", "opencode")
	if config := s.Getenv("XDG_CONFIG_HOME"); filepath.IsAbs(config) {
		dir = filepath.Join(config, "opencode")
	}
	if s.Project != "" {
		dir = filepath.Join(s.Project, ".opencode")
	}
	c := Change{File: filepath.Join(dir, "plugins", "leasekit.js"), Mode: 0o644}
	before, err := os.ReadFile(c.File)
	switch {
	case err == nil:
		c.Before = before
	case !errors.Is(err, fs.ErrNotExist):
		return Change{}, err
	}
	if c.Before != nil && !strings.HasPrefix(string(c.Before), pluginMark) {
		return Change{}, fmt.Errorf("%s is somebody else's file; it stays as it is", c.File)
	}
	if remove {
		return c, nil
	}
	text := strings.Replace(plugin, `"LEASEKIT_PROGRAM"`, string(encode(s.hook())), 1)
	text = strings.Replace(text, `"LEASEKIT_ON_ERROR"`, string(encode(s.OnError)), 1)
	c.After = []byte(text)
	return c, nil
}
