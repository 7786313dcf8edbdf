package hook_test

import (
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

const (
	eventually = 30 * time.Second
	tick       = 20 * time.Millisecond
)

// waitFor waits until so many waiters are in line.
func (w *world) waitFor(enough func(pending int) bool) {
	w.tb.Helper()
	require.Eventually(w.tb, func() bool {
		pending := 0
		w.manager(func(m lease.Manager) {
			s, err := m.Stats(w.tb.Context())
			require.NoError(w.tb, err)
			pending = s.Pending
		})
		return enough(pending)
	}, eventually, tick)
}
