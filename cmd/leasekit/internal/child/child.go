// Package child runs one command in a process group of its own, with the
// terminal handed over to it, so that it can be stopped as a whole.
package child

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"time"
)

// Command is what to run. Its standard streams are those of Files, as they are:
// no pipe and no shell stands in between.
type Command struct {
	Path  string // the program's file, see [Find]
	Args  []string
	Env   []string
	Dir   string
	Files []*os.File // standard input, output and error
}

// Exit statuses of a command that could not be started, as shells have them.
const (
	StatusNotRunnable = 126
	StatusNotFound    = 127
)

// Find returns the file of a program, looked for as a shell does.
func Find(name string) (string, error) {
	path, err := exec.LookPath(name)
	if errors.Is(err, exec.ErrDot) {
		return "", err
	}
	return path, err
}

// StartStatus is the exit status for an error of [Find] or [Start].
func StartStatus(err error) int {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, exec.ErrNotFound) {
		return StatusNotFound
	}
	return StatusNotRunnable
}

// emptied is how often a group that is to end is looked at.
const emptied = 10 * time.Millisecond

// State is what became of the child: it ended, or it was stopped (Ctrl-Z).
type State struct {
	Stopped bool
	Status  int // the exit status, 128+n for signal n
}
