//go:build darwin || freebsd

package sqlitedb

import "syscall"

// local is MNT_LOCAL: the file system is one of this machine.
const local = 0x1000

// networkFileSystem returns the name of the network file system that the
// directory is on; "" for one of this machine, or if that cannot be told.
func networkFileSystem(directory string) string {
	var s syscall.Statfs_t
	if syscall.Statfs(directory, &s) != nil || uint64(s.Flags)&local != 0 {
		return ""
	}
	return "not local"
}

// mountedAlone: single files are not mounted here.
func mountedAlone(string) bool { return false }
