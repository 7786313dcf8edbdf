package fencefile

import (
	"context"
	"io"
)

// TakeTurn takes the turn of a path until it is closed, as a process does that
// is stopped in the middle of it.
func TakeTurn(d *Dir, file string) (io.Closer, error) {
	return d.takeTurn(context.Background(), file)
}

// NameOf is where the tokens of a path are remembered, under .leasekit/fence.
func NameOf(file string) string { return nameOf(file) }

// TemporaryOf is where the new content of a file is written.
func TemporaryOf(file string) string { return temporaryOf(file) }
