//go:build !linux

package hook

import (
	"io/fs"
	"time"
)

// changeTime is not known here; the time of the content is.
func changeTime(fs.FileInfo) time.Time { return time.Time{} }
