//go:build !linux

package hook

import "os"

// ancestors returns the process that this one works for.
func ancestors() []int { return []int{os.Getppid()} }
