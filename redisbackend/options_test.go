package redisbackend_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/internal/redistest"
	"github.com/leasekit/leasekit/redisbackend"
)

// TestOptionsAreShared: one Options value serves any number of goroutines (under the race detector), and stays as it was.
func TestOptionsAreShared(t *testing.T) {
	t.Parallel()
	client := redistest.Single(t).Client()
	observer := backend.Observer{}
	options := redisbackend.Options{Namespace: "shared", Engine: &backend.Options{Observer: &observer}}
	before := options
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			m, err := redisbackend.Open(t.Context(), client, &options)
			if err == nil {
				err = m.Close()
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	require.Equal(t, before, options)
}
