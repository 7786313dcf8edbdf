//go:build !unix

package agentinit

// processExists cannot tell here, and so says that the process is there.
func processExists(int) bool { return true }
