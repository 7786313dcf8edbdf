package fencefile

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"
)

// What a Dir keeps to itself, under its root.
const (
	ownDir   = ".leasekit"
	fenceDir = "fence" // in ownDir
)

// isOwn reports whether a path in normal form is the fence's own. Case is
// folded, since file systems may do so.
func isOwn(file string) bool {
	first, _, _ := strings.Cut(file, "/")
	return strings.EqualFold(first, ownDir)
}

// prepare makes the directory for the tokens, durably.
func (d *Dir) prepare() error {
	own, err := subdirectory(d.root, ownDir, true)
	if err != nil {
		return err
	}
	defer own.Close()
	// Tokens are of this tree, not of its copies. What has the name is left as
	// it is: O_EXCL follows no link.
	f, err := own.OpenFile(".gitignore", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err == nil {
		_, err = f.WriteString("*\n")
		err = errors.Join(err, f.Close())
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	fence, err := subdirectory(own, fenceDir, true)
	if err != nil {
		return err
	}
	defer fence.Close()
	return errors.Join(syncDir(fence, "."), syncDir(own, "."), syncDir(d.root, "."))
}

// openFence opens the directory for the tokens, by way of no link.
func (d *Dir) openFence() (*os.Root, error) {
	own, err := subdirectory(d.root, ownDir, false)
	if err != nil {
		return nil, err
	}
	defer own.Close()
	return subdirectory(own, fenceDir, false)
}

// subdirectory opens a directory of dir, which it makes if need be. What has
// the name must be a directory, not a link to one.
func subdirectory(dir *os.Root, name string, create bool) (*os.Root, error) {
	if create {
		if err := dir.Mkdir(name, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	info, err := dir.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: %s/%s is gone, and its tokens with it", ErrDamaged, dir.Name(), name)
	case err != nil:
		return nil, err
	case !info.IsDir():
		return nil, foreign(dir, name, info)
	}
	sub, err := dir.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	opened, err := sub.Stat(".")
	if err == nil && !os.SameFile(info, opened) { // exchanged meanwhile
		err = foreign(dir, name, info)
	}
	if err != nil {
		_ = sub.Close() // nothing was done through it
		return nil, err
	}
	return sub, nil
}

// foreign is the error for what cannot be the fence's own.
func foreign(dir *os.Root, name string, info fs.FileInfo) error {
	return fmt.Errorf("%w: %s/%s is a %s that fencefile did not make", ErrDamaged, dir.Name(), name, kindOf(info.Mode()))
}

func kindOf(m fs.FileMode) string {
	switch {
	case m.IsRegular():
		return "file"
	case m.IsDir():
		return "directory"
	case m&fs.ModeSymlink != 0:
		return "symbolic link"
	}
	return "special file"
}

// nameOf returns the name of the file in which the tokens of a path are
// remembered.
func nameOf(file string) string {
	sum := sha256.Sum256([]byte(file))
	return hex.EncodeToString(sum[:])
}

// turn is the right to look at the tokens of a path, and at its file, until it
// is closed or the process is dead.
type turn struct {
	fence *os.Root
	file  *os.File // the path's tokens, locked
}

func (t *turn) Close() error { return errors.Join(t.file.Close(), t.fence.Close()) }

// takeTurn waits for the turn of a path, until ctx ends. What is locked then
// is what others find at its place too.
func (d *Dir) takeTurn(ctx context.Context, file string) (*turn, error) {
	// Asked for again and again, since a wait in the system cannot be cancelled.
	for pause := time.Millisecond; ; pause = min(2*pause, 20*time.Millisecond) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		t, err := d.tryTurn(nameOf(file))
		if t != nil || err != nil {
			return t, err
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		case <-timer.C:
		}
	}
}

// tryTurn is takeTurn without waiting: nil without an error if somebody else
// has the turn, or if what it locked has been exchanged meanwhile.
func (d *Dir) tryTurn(name string) (_ *turn, err error) {
	fence, err := d.openFence()
	if err != nil {
		return nil, err
	}
	t := &turn{fence: fence}
	keep := false
	defer func() {
		if keep {
			return
		}
		if t.file != nil {
			_ = t.file.Close() // nothing was written
		}
		_ = fence.Close() // likewise
	}()
	if t.file, err = openTokens(fence, name); err != nil {
		return nil, err
	}
	busy, err := lock(t.file)
	if err != nil || busy {
		return nil, err
	}
	same, err := d.stillThere(t, name)
	if err != nil || !same {
		return nil, err
	}
	keep = true
	return t, nil
}

// openTokens opens the file of a path's tokens, which it makes if need be.
func openTokens(fence *os.Root, name string) (*os.File, error) {
	for range 10 {
		info, err := fence.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) {
			f, err := fence.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
			if errors.Is(err, fs.ErrExist) {
				continue // another process was faster
			}
			return f, err
		}
		if err != nil {
			return nil, err
		}
		if !info.Mode().IsRegular() {
			return nil, foreign(fence, name, info)
		}
		f, err := fence.OpenFile(name, os.O_RDWR, 0)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		opened, err := f.Stat()
		if err == nil && os.SameFile(info, opened) {
			return f, nil
		}
		_ = f.Close() // nothing was written
		if err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%w: %s/%s is being exchanged", ErrDamaged, fence.Name(), name)
}

// stillThere reports whether the root is still what is at its path, and the
// locked file what is at its place under it: else others have turns elsewhere.
func (d *Dir) stillThere(t *turn, name string) (bool, error) {
	if err := d.unmoved(); err != nil {
		return false, err
	}
	fence, err := d.openFence()
	if err != nil {
		return false, err
	}
	defer fence.Close()
	there, err := fence.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	locked, err := t.file.Stat()
	if err != nil {
		return false, err
	}
	return os.SameFile(there, locked), nil
}

// unmoved returns [ErrMoved] if the root's path leads elsewhere by now.
func (d *Dir) unmoved() error {
	opened, err := d.root.Stat(".")
	if err != nil {
		return err
	}
	there, err := os.Stat(d.path)
	if err == nil && os.SameFile(opened, there) {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrMoved, d.path)
}

// syncDir makes what happened in a directory durable.
func syncDir(root *os.Root, dir string) error {
	if !syncsDirs {
		return nil
	}
	f, err := root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
