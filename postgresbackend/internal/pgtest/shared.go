//go:build unix

package pgtest

import (
	"fmt"
	"sync"
	"testing"
)

// forever stands in for a test, for what lasts as long as the process.
type forever struct {
	testing.TB

	cleanups []func()
}

func (f *forever) Helper() {}

func (f *forever) Cleanup(cleanup func()) { f.cleanups = append(f.cleanups, cleanup) }

func (f *forever) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

var (
	process forever
	shared  = sync.OnceValue(func() *Server {
		return Start(&process, false, "synchronous_commit=off", "full_page_writes=off", "max_wal_size=4GB")
	})
)

// Shared returns a server without fsync that all tests of the process share. It
// is stopped by [Tests.Run].
func Shared() *Server { return shared() }

// Tests runs the tests of a process, and then stops the server that they share.
type Tests struct{ M *testing.M }

// Run returns the exit code.
func (t Tests) Run() int {
	code := t.M.Run()
	for _, cleanup := range process.cleanups {
		cleanup()
	}
	return code
}
