package groupcommit

import (
	"context"
	"sync"
	"sync/atomic"
)

// joined is a context that ends with either of two, or when it is released. Most
// batches never wait, so the channel for that is made when somebody asks for it.
type joined struct {
	context.Context // of the leader

	closing context.Context
	once    sync.Once
	merged  atomic.Pointer[merged]
}

type merged struct {
	context.Context

	cancel context.CancelFunc
	stop   func() bool
}

// Done is closed when either ends.
func (j *joined) Done() <-chan struct{} {
	j.once.Do(func() {
		ctx, cancel := context.WithCancel(j.Context)
		j.merged.Store(&merged{Context: ctx, cancel: cancel, stop: context.AfterFunc(j.closing, cancel)})
	})
	return j.merged.Load().Done()
}

// Err is that of the one that has ended. It is never nil once Done is closed.
func (j *joined) Err() error {
	if err := j.Context.Err(); err != nil {
		return err
	}
	if err := j.closing.Err(); err != nil {
		return err
	}
	if m := j.merged.Load(); m != nil {
		return m.Err()
	}
	return nil
}

// release ends the context and frees what Done has made.
func (j *joined) release() {
	if m := j.merged.Load(); m != nil {
		m.stop()
		m.cancel()
	}
}
