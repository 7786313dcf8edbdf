//go:build !linux && !darwin && !freebsd

package sqlitedb

// networkFileSystem: it is not known how to tell.
func networkFileSystem(string) string { return "" }

func mountedAlone(string) bool { return false }
