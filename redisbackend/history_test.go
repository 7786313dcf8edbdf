package redisbackend_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/internal/redistest"
	"github.com/leasekit/leasekit/lease"
)

// Events that were written together, in one entry, are read one by one, from any of them on, and trimmed with the others.
func TestEventsThatShareAnEntry(t *testing.T) {
	const many = 200
	server := redistest.Single(t)
	client := server.Client()
	m := manage(t, client, nil)
	var group sync.WaitGroup
	for i := range many {
		group.Go(func() {
			_, err := m.TryAcquire(t.Context(), request(fmt.Sprint("h", i), fmt.Sprint("f", i)))
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	entries, err := client.XLen(t.Context(), "leasekit:{default}:history").Result()
	require.NoError(t, err)
	require.Less(t, entries, int64(many), "some were written together")

	read := func(after lease.Seq) []lease.Event {
		var events []lease.Event
		for e, err := range m.History(t.Context(), lease.Query{After: after, All: true}) {
			require.NoError(t, err)
			events = append(events, e)
		}
		return events
	}
	holders := map[string]bool{}
	for after := range lease.Seq(many) {
		events := read(after)
		require.Len(t, events, many-int(after))
		for i, e := range events {
			require.Equal(t, after+lease.Seq(i)+1, e.Seq)
		}
		holders[events[0].Lease.Holder] = true
	}
	require.Len(t, holders, many, "each event is of another lease")

	config, err := m.Config(t.Context())
	require.NoError(t, err)
	config.HistoryMaxEvents = 50
	_, err = m.SetConfig(t.Context(), config)
	require.NoError(t, err)
	_, err = m.Sweep(t.Context())
	require.NoError(t, err)
	kept := read(0)
	require.GreaterOrEqual(t, len(kept), 50)
	require.Less(t, len(kept), 50+32, "an entry goes as a whole")
	require.Equal(t, lease.Seq(many+1), kept[len(kept)-1].Seq)
	stats, err := m.Stats(t.Context())
	require.NoError(t, err)
	require.Equal(t, kept[0].Seq, stats.Oldest)
}
