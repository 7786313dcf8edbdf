package fencefile

import (
	"context"
	"io"
)

// TakeTurn takes the turn of a path until it is closed, as a process does that
// is stopped in the middle of it.
func TakeTurn(d *Dir, file string) (io.Closer, error) {
	return openLocked(context.Background(), d.absolute(indexOf(file)))
}
