//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package sqlitedb

import "os"

// Where flock is missing there is no fileLock: processes that want to write ask
// SQLite again at random moments (retryBusy), which is less fair.
const flockWorks = false

func giveLike(*os.File, os.FileInfo) {}

func tryLockFile(*os.File) bool { return true }

func lockFile(*os.File) {}

func unlockFile(*os.File) {}
