//go:build unix

package sqlitedb

import (
	"os"
	"syscall"
)

const filesHaveIDs = true

// fileStatus is room for what the system says of a file.
type fileStatus = syscall.Stat_t

// statFile returns what the file of this name is, and how many names it has.
func statFile(path string, s *fileStatus) (id fileID, links uint64, err error) {
	for {
		err = syscall.Stat(path, s)
		if err != syscall.EINTR {
			break
		}
	}
	if err != nil {
		return id, 0, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return fileID{device: uint64(s.Dev), inode: s.Ino}, uint64(s.Nlink), nil //nolint:unconvert // its type is another one on other systems
}
