package sqlitedb

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// networkFileSystems are those whose files several machines may have open, by
// the number that statfs(2) reports.
var networkFileSystems = map[uint32]string{
	0x00006969: "NFS", 0x0000517B: "SMB", 0xFE534D42: "SMB2", 0xFF534D42: "CIFS", 0x01021997: "9P",
	0x5346414F: "AFS", 0x6B414653: "AFS", 0x73757245: "Coda", 0x00C36400: "Ceph", 0x0BD00BD0: "Lustre",
	0x47504653: "GPFS", 0x01161970: "GFS2", 0x7461636F: "OCFS2", 0xAAD7AAEA: "PanFS", 0x19830326: "BeeGFS",
	0x786F4256: "VirtualBox shared folder",
}

// networkFileSystem returns the name of the network file system that the
// directory is on; "" for one of this machine, or if that cannot be told.
func networkFileSystem(directory string) string {
	var s syscall.Statfs_t
	if syscall.Statfs(directory, &s) != nil {
		return ""
	}
	return networkFileSystems[uint32(s.Type)]
}

// mountedAlone reports whether the file itself, not its directory, is mounted:
// so containers are given single files. -wal and -shm are then others than those
// of whoever else has the file.
func mountedAlone(file string) bool {
	mounts, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return false
	}
	defer mounts.Close()
	file = filepath.Clean(file)
	for lines := bufio.NewScanner(mounts); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) > 4 && unescapeMount(fields[4]) == file {
			return true
		}
	}
	return false
}

// unescapeMount turns \040 and its like back into what they stand for.
func unescapeMount(path string) string {
	if !strings.Contains(path, `\`) {
		return path
	}
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		if path[i] == '\\' && i+3 < len(path) {
			if code, err := strconv.ParseUint(path[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(code))
				i += 3
				continue
			}
		}
		b.WriteByte(path[i])
	}
	return b.String()
}
