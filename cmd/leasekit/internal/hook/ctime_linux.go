package hook

import (
	"io/fs"
	"syscall"
	"time"
)

// changeTime returns when a file's entry was last changed, which a command
// cannot set back.
func changeTime(info fs.FileInfo) time.Time {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return time.Unix(stat.Ctim.Unix())
	}
	return time.Time{}
}
