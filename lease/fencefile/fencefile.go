package fencefile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/leasekit/leasekit/lease"
)

// Dir is a directory tree whose files are written under fencing tokens. It may
// be used by many goroutines, and any number of processes may have one on the
// same tree.
type Dir struct {
	root *os.Root
	path string // absolute, without symbolic links
}

// Open returns the Dir of an existing directory.
func Open(root string) (*Dir, error) {
	if !lockable {
		return nil, fmt.Errorf("fencefile: open %q: no file locks: %w", root, errors.ErrUnsupported)
	}
	full, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	if full, err = filepath.EvalSymlinks(full); err != nil {
		return nil, err
	}
	r, err := os.OpenRoot(full)
	if err != nil {
		return nil, err
	}
	d := &Dir{root: r, path: full}
	if err := d.prepare(); err != nil {
		_ = r.Close() // nothing was written through it
		return nil, err
	}
	return d, nil
}

// Close releases the Dir's handle on the directory. Calls after it fail with
// [os.ErrClosed].
func (d *Dir) Close() error {
	if d == nil || d.root == nil {
		return nil
	}
	return d.root.Close()
}

// WriteFile replaces the content of a file, or makes it, if no newer token has
// been used on its path; else the error is [ErrStale] and the file is what it
// was. The same lease may write again. Whatever happens, kill -9 and loss of
// power included, the file has its old content or the new one, whole.
//
// The name is taken from the root, symbolic links are followed, and what lies
// outside of the root or in its .leasekit is [lease.ErrInvalid], as is a
// directory. The parent directory must exist. A new file gets the permissions
// perm (before umask), an existing one keeps its own; its owner and its hard
// links are not kept.
//
// Calls on one path, from whatever process, take turns. ctx bounds the wait for
// a turn, which may be long if a process is stopped in the middle of its own.
func (d *Dir) WriteFile(ctx context.Context, ref lease.Ref, name string, data []byte, perm fs.FileMode) error {
	return d.fenced(ctx, "write", ref, name, func(file string) error {
		return d.replace(file, data, perm)
	})
}

// AppendFile adds data to the end of a file, or makes it, under the same
// conditions as [Dir.WriteFile], but without writing anew what is there. It is
// on disk when AppendFile returns. After an error the file is what it was; of a
// process that dies in the middle it may have a first part of data.
func (d *Dir) AppendFile(ctx context.Context, ref lease.Ref, name string, data []byte, perm fs.FileMode) error {
	return d.fenced(ctx, "append", ref, name, func(file string) error {
		return d.extend(file, data, perm)
	})
}

// ReadFile returns the content of a file, and shuts out older tokens from now
// on: so what was read is still there when the same lease writes. If a newer
// token has been used on the path the error is [ErrStale]. For names and ctx
// see [Dir.WriteFile].
//
// Holders of shared leases read with os.ReadFile; here the one with the newer
// token would shut out the other.
func (d *Dir) ReadFile(ctx context.Context, ref lease.Ref, name string) ([]byte, error) {
	var data []byte
	err := d.fenced(ctx, "read", ref, name, func(file string) (err error) {
		if _, err = d.regular(file); err != nil {
			return err
		}
		data, err = d.root.ReadFile(file)
		return err
	})
	return data, err
}

// Remove removes a file if no newer token has been used on its path; else the
// error is [ErrStale]. The token is remembered all the same. For names and ctx
// see [Dir.WriteFile].
func (d *Dir) Remove(ctx context.Context, ref lease.Ref, name string) error {
	return d.fenced(ctx, "remove", ref, name, func(file string) error {
		if _, err := d.regular(file); err != nil {
			return err
		}
		if err := d.root.Remove(file); err != nil {
			return err
		}
		return syncDir(d.root, path.Dir(file))
	})
}

// Newest returns the newest token that was used on the path, 0 if none was. For
// names and ctx see [Dir.WriteFile].
func (d *Dir) Newest(ctx context.Context, name string) (lease.Token, error) {
	const op = "look up"
	file, err := d.resolve(name)
	if err != nil {
		return 0, err
	}
	known, err := d.known(file)
	if err != nil || !known {
		return 0, opError(op, file, err)
	}
	t, err := d.takeTurn(ctx, file)
	if err != nil {
		return 0, opError(op, file, err)
	}
	defer t.Close()
	newest, _, err := readTokens(t.file)
	return newest.token, opError(op, file, err)
}

// known reports whether a token was ever used on the path.
func (d *Dir) known(file string) (bool, error) {
	if err := d.unmoved(); err != nil {
		return false, err
	}
	fence, err := d.openFence()
	if err != nil {
		return false, err
	}
	defer fence.Close()
	_, err = fence.Lstat(nameOf(file))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// fenced calls change on a path's file if the token is the newest.
//
// The invariant: the remembered token of a path is never older than the token
// that wrote the file's content. For that
//   - the check, the remembering and the change are one turn, under the lock of
//     the path, which the system takes back only when the process is dead;
//   - a newer token is remembered, durably, before the change. Whoever dies in
//     between leaves the old content and the new token: older tokens are
//     refused too early, which is right, since their leases are over.
//
// With a token its lease is remembered: two stores, or a store and its restored
// backup, may hand out the same token to two leases, and only the first passes.
func (d *Dir) fenced(ctx context.Context, op string, ref lease.Ref, name string, change func(file string) error) error {
	file, err := d.resolve(name)
	if err != nil {
		return err
	}
	if ref.ID == "" || ref.Holder == "" || ref.Token == 0 {
		return lease.Invalid("ref", "needs ID, Holder and Token")
	}
	t, err := d.takeTurn(ctx, file)
	if err != nil {
		return opError(op, file, err)
	}
	defer t.Close() // and unlock
	mine := usedBy(ref)
	newest, slot, err := readTokens(t.file)
	switch {
	case err != nil:
		return opError(op, file, err)
	case mine.token < newest.token, mine.token == newest.token && mine != newest:
		return &StaleError{Op: op, Path: file, Token: mine.token, Newest: newest.token}
	case mine.token > newest.token:
		if err := writeToken(t.file, slot, mine); err != nil {
			return opError(op, file, err)
		}
		if newest.token == 0 { // the file may be new
			if err := syncDir(t.fence, "."); err != nil {
				return opError(op, file, err)
			}
		}
	}
	return opError(op, file, change(file))
}

// resolve returns the path of a file in normal form.
func (d *Dir) resolve(name string) (string, error) {
	if d == nil || d.root == nil {
		return "", lease.Invalid("dir", "not from Open")
	}
	file, err := lease.FilePath(d.path, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if moved := d.unmoved(); moved != nil {
			return "", moved
		}
		return "", err
	case err != nil:
		return "", err
	case file == lease.Root:
		return "", lease.Invalid("name", "%q is the root itself", name)
	case isOwn(file):
		return "", lease.Invalid("name", "%q is the fence's own", name)
	}
	return file, nil
}

func opError(op, file string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("fencefile: %s %q: %w", op, file, err)
}
