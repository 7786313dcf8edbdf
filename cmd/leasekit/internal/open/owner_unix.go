//go:build unix

package open

import (
	"os"
	"syscall"
)

// ownFile reports whether a file is the user's own or the system's, and so not
// planted by somebody else in a folder above.
func ownFile(name string) bool {
	info, err := os.Stat(name)
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && (stat.Uid == 0 || int(stat.Uid) == os.Getuid())
}
