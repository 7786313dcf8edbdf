package sqlitebackend

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"
)

// gate is the fair queue of processes to the writer of one database file: an
// advisory lock on a side file, held around each batch. SQLite's own lock is
// enough for correctness, but who waits for it sleeps and looks again, ever
// more rarely, so that one busy process can starve the others for seconds. A
// lock that the kernel queues for is fair, costs a microsecond when it is
// free, and is gone when its process is.
//
// The handles that one process has on one file share a gate and take turns by
// a channel: only one of them at a time waits in the kernel. That also keeps
// two handles in a testing/synctest bubble from deadlocking, where a goroutine
// in a system call stops the clock that another one sleeps by.
//
// A nil gate is open: there is none in memory, nor where the system or the
// file system has no such lock.
type gate struct {
	file *os.File
	info os.FileInfo
	turn chan struct{} // holds one element while somebody has, or waits for, the lock

	handles int // guarded by gates.mutex
}

// gates of this process. They are shared by the file that they lock, whatever
// the path that led to it.
var gates struct {
	mutex sync.Mutex
	open  []*gate
}

// gatePatience is how long closing waits for a lock that is being waited for.
const gatePatience = time.Second

// openGate returns the gate of the database file, made beside it with its
// permissions. Close it with close.
func openGate(databaseFile string) (*gate, error) {
	if databaseFile == "" || !gatesWork {
		return nil, nil
	}
	permissions := fs.FileMode(0o644)
	if info, err := os.Stat(databaseFile); err == nil {
		permissions = info.Mode().Perm()
	}
	path := databaseFile + "-gate"
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, permissions)
	if errors.Is(err, fs.ErrPermission) {
		file, err = os.Open(path) // another user's; locking needs no more
	}
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}

	gates.mutex.Lock()
	defer gates.mutex.Unlock()
	for _, g := range gates.open {
		if os.SameFile(g.info, info) {
			g.handles++
			return g, file.Close()
		}
	}
	g := &gate{file: file, info: info, turn: make(chan struct{}, 1), handles: 1}
	gates.open = append(gates.open, g)
	return g, nil
}

// enter waits for the lock, until ctx ends. Without an error, leave follows.
func (g *gate) enter(ctx context.Context) error {
	if g == nil {
		return nil
	}
	select {
	case g.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	if tryLockFile(g.file) {
		return nil
	}
	// The system call cannot be interrupted, so it runs beside us. If we have
	// gone when it returns, it hands the turn on.
	entered := make(chan struct{})
	go func() {
		lockFile(g.file)
		select {
		case entered <- struct{}{}:
		case <-ctx.Done():
			g.leave()
		}
	}()
	select {
	case <-entered:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// leave lets the next one in.
func (g *gate) leave() {
	if g == nil {
		return
	}
	unlockFile(g.file)
	<-g.turn
}

// close gives up a handle; the last one closes the file. If the lock is still
// being waited for because another process keeps it (stopped in a debugger,
// perhaps), close does not wait for that for long: the file is then closed
// when the wait is over.
func (g *gate) close() error {
	if g == nil {
		return nil
	}
	gates.mutex.Lock()
	g.handles--
	last := g.handles == 0
	if last {
		gates.open = slices.DeleteFunc(gates.open, func(other *gate) bool { return other == g })
	}
	gates.mutex.Unlock()
	if !last {
		return nil
	}

	patience := time.NewTimer(gatePatience)
	defer patience.Stop()
	select {
	case g.turn <- struct{}{}:
		return g.file.Close()
	case <-patience.C:
		go func() {
			g.turn <- struct{}{}
			_ = g.file.Close() // only ever locked, never written
		}()
		return nil
	}
}
