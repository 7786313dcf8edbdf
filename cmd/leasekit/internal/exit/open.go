package exit

import (
	"errors"
	"io/fs"
	"syscall"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/open"
	"github.com/leasekit/leasekit/sqlitebackend"
)

// nextOpen says what to do about a store that cannot be opened.
func nextOpen(e *open.Error) string {
	switch {
	case errors.Is(e, sqlitebackend.ErrNewerSchema):
		return "update this program: go install github.com/leasekit/leasekit/cmd/leasekit@latest"
	case errors.Is(e, sqlitebackend.ErrNotDatabase):
		return "move the file away, or name another store with --store"
	case errors.Is(e, sqlitebackend.ErrReadOnly), errors.Is(e, fs.ErrPermission), errors.Is(e, syscall.EROFS):
		return "make the file and its folder writable, or name another store with --store or LEASEKIT_STORE"
	case errors.Is(e, fs.ErrNotExist):
		return "make the folder of the database first"
	}
	return "check the store, or name another one with --store or LEASEKIT_STORE"
}
