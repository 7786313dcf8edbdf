package groupcommit

import (
	"context"
	"sync"
)

// joined is a context that ends with either of two. Most batches never wait, so
// the channel for that is made when somebody asks for it.
type joined struct {
	context.Context // of the leader

	closing context.Context
	once    sync.Once
	merged  context.Context
	cancel  context.CancelFunc
	stop    func() bool
}

// Done is closed when either ends.
func (j *joined) Done() <-chan struct{} {
	j.once.Do(func() {
		j.merged, j.cancel = context.WithCancel(j.Context)
		j.stop = context.AfterFunc(j.closing, j.cancel)
	})
	return j.merged.Done()
}

// Err is that of the one that has ended.
func (j *joined) Err() error {
	if err := j.Context.Err(); err != nil {
		return err
	}
	return j.closing.Err()
}

// release frees what Done has made.
func (j *joined) release() {
	j.once.Do(func() {})
	if j.cancel != nil {
		j.stop()
		j.cancel()
	}
}
