package fencefile

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/leasekit/leasekit/lease"
)

// What a Dir keeps to itself, under its root.
const (
	ownDir   = ".leasekit"
	fenceDir = ownDir + "/fence"
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

// prepare makes the directory for the tokens, durably.
func (d *Dir) prepare() error {
	if _, err := d.root.Stat(fenceDir); err == nil {
		return nil
	}
	if err := d.root.MkdirAll(fenceDir, 0o777); err != nil {
		return err
	}
	// Tokens are of this tree, not of its copies.
	if err := d.root.WriteFile(ownDir+"/.gitignore", []byte("*\n"), 0o666); err != nil {
		return err
	}
	for _, dir := range []string{fenceDir, ownDir, "."} {
		if err := d.sync(dir); err != nil {
			return err
		}
	}
	return nil
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
// was. The same token may write again. Whatever happens, kill -9 and loss of
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
func (d *Dir) WriteFile(ctx context.Context, token lease.Token, name string, data []byte, perm fs.FileMode) error {
	return d.fenced(ctx, "write", token, name, func(file string) error {
		return d.replace(file, data, perm)
	})
}

// ReadFile returns the content of a file, and shuts out older tokens from now
// on: so what was read is still there when the same token writes. If a newer
// token has been used on the path the error is [ErrStale]. For names and ctx
// see [Dir.WriteFile].
//
// Holders of shared leases read with os.ReadFile; here the one with the newer
// token would shut out the other.
func (d *Dir) ReadFile(ctx context.Context, token lease.Token, name string) ([]byte, error) {
	var data []byte
	err := d.fenced(ctx, "read", token, name, func(file string) (err error) {
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
func (d *Dir) Remove(ctx context.Context, token lease.Token, name string) error {
	return d.fenced(ctx, "remove", token, name, func(file string) error {
		if _, err := d.regular(file); err != nil {
			return err
		}
		if err := d.root.Remove(file); err != nil {
			return err
		}
		return d.sync(path.Dir(file))
	})
}

// Newest returns the newest token that was used on the path, 0 if none was. For
// names and ctx see [Dir.WriteFile].
func (d *Dir) Newest(ctx context.Context, name string) (lease.Token, error) {
	file, err := d.resolve(name)
	if err != nil {
		return 0, err
	}
	index := indexOf(file)
	if _, err := d.root.Stat(index); errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	f, err := openLocked(ctx, d.absolute(index))
	if err != nil {
		return 0, opError("look up", file, err)
	}
	defer f.Close()
	newest, _, err := readTokens(f)
	return newest, opError("look up", file, err)
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
func (d *Dir) fenced(ctx context.Context, op string, token lease.Token, name string, change func(file string) error) error {
	file, err := d.resolve(name)
	if err != nil {
		return err
	}
	if token == 0 {
		return lease.Invalid("token", "0")
	}
	index := indexOf(file)
	f, err := openLocked(ctx, d.absolute(index))
	if err != nil {
		return opError(op, file, err)
	}
	defer f.Close() // and unlock
	newest, slot, err := readTokens(f)
	switch {
	case err != nil:
		return opError(op, file, err)
	case token < newest:
		return &StaleError{Op: op, Path: file, Token: token, Newest: newest}
	case token > newest:
		if err := writeToken(f, slot, token); err != nil {
			return opError(op, file, err)
		}
		if newest == 0 { // the index file may be new
			if err := d.sync(fenceDir); err != nil {
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
	case err != nil:
		return "", err
	case file == lease.Root:
		return "", lease.Invalid("name", "%q is the root itself", name)
	case file == ownDir || lease.Below(file, ownDir):
		return "", lease.Invalid("name", "%q is the fence's own", name)
	}
	return file, nil
}

// absolute is for openLocked, which has to ask the system for more than
// os.Root can.
func (d *Dir) absolute(file string) string { return filepath.Join(d.path, filepath.FromSlash(file)) }

// indexOf returns where the tokens of a path are remembered.
func indexOf(file string) string {
	sum := sha256.Sum256([]byte(file))
	return fenceDir + "/" + hex.EncodeToString(sum[:])
}

func opError(op, file string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("fencefile: %s %q: %w", op, file, err)
}
