//go:build !unix

package open

// ownFile is always true where files have no owner that the standard library
// tells.
func ownFile(string) bool { return true }
