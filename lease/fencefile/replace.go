package fencefile

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path"

	"github.com/leasekit/leasekit/lease"
)

// replace gives a file new content, in one step that survives a crash: the
// content is on disk under another name before it takes the file's place. The
// other name is the path's own and the caller has the path's lock, so what a
// dead process left there is known for rubbish.
func (d *Dir) replace(file string, data []byte, perm fs.FileMode) error {
	keep := false
	switch info, err := d.regular(file); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	default:
		keep, perm = true, info.Mode().Perm()
	}
	temporary := temporaryOf(file)
	if err := d.root.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := d.writeNew(temporary, data, perm, keep); err != nil {
		_ = d.root.Remove(temporary) // else the next call does
		return err
	}
	if err := d.root.Rename(temporary, file); err != nil {
		_ = d.root.Remove(temporary) // else the next call does
		return err
	}
	return syncDir(d.root, path.Dir(file))
}

// regular returns what there is to know of a file; what is not a regular one, a
// directory say, is ErrInvalid.
func (d *Dir) regular(file string) (fs.FileInfo, error) {
	info, err := d.root.Stat(file)
	if err == nil && !info.Mode().IsRegular() {
		err = lease.Invalid("name", "%q is not a regular file", file)
	}
	return info, err
}

// writeNew makes a file that is on disk when it returns. exactly says that the
// permissions are not subject to umask.
func (d *Dir) writeNew(file string, data []byte, perm fs.FileMode, exactly bool) error {
	f, err := d.root.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil && exactly {
		err = f.Chmod(perm)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// temporaryOf returns the name under which a path's new content is written.
func temporaryOf(file string) string {
	sum := sha256.Sum256([]byte(file))
	return path.Join(path.Dir(file), ".leasekit-"+hex.EncodeToString(sum[:8])+".tmp")
}

// extend adds data to the end of a file, durably, or leaves it as it is.
func (d *Dir) extend(file string, data []byte, perm fs.FileMode) error {
	created := false
	f, err := d.openRegular(file, os.O_WRONLY|os.O_APPEND)
	if errors.Is(err, fs.ErrNotExist) {
		created = true
		f, err = d.root.OpenFile(file, os.O_WRONLY|os.O_APPEND|os.O_CREATE|os.O_EXCL, perm)
	}
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		err = errors.Join(err, f.Truncate(info.Size()))
	}
	err = errors.Join(err, f.Close())
	switch {
	case !created:
		return err
	case err != nil:
		return errors.Join(err, d.root.Remove(file))
	}
	return syncDir(d.root, path.Dir(file))
}

// openRegular opens a file that is a regular one.
func (d *Dir) openRegular(file string, flag int) (*os.File, error) {
	info, err := d.regular(file)
	if err != nil {
		return nil, err
	}
	f, err := d.root.OpenFile(file, flag, 0)
	if err != nil {
		return nil, err
	}
	if opened, err := f.Stat(); err != nil || !os.SameFile(info, opened) {
		_ = f.Close() // nothing was written
		return nil, cmp.Or(err, lease.Invalid("name", "%q is being exchanged", file))
	}
	return f, nil
}
