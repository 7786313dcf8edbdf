package redisbackend

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestTold: what was told is looked at when it is old enough, again a few times, with the newest messages to each process; and nothing
// after close.
func TestTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var all []map[string]string
		looks := func() []map[string]string {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(all)
		}
		told := newTold(func(_ context.Context, args []any) {
			look := map[string]string{}
			for i := 0; i < len(args); i += 2 {
				look[args[i].(string)] = args[i+1].(string)
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, look)
		})
		pass := func(d time.Duration) {
			time.Sleep(d) // in the bubble's time
			synctest.Wait()
		}
		told.add("a", "1:x")
		pass(toldPause - 1)
		told.add("a", "1:y")
		for i := range 2 * maxTold {
			told.add("b", strconv.Itoa(i)+" ")
		}
		pass(toldPause)
		require.Empty(t, looks())
		told.add("c", "1:z")
		pass(1)
		require.Len(t, looks(), 1)
		require.Equal(t, "1:x1:y", looks()[0]["a"])
		newest := strings.Fields(looks()[0]["b"])
		require.Len(t, newest, maxTold)
		require.Equal(t, strconv.Itoa(2*maxTold-1), newest[maxTold-1])
		require.NotContains(t, looks()[0], "c")

		pass(2 * toldLooks * toldPause)
		require.Len(t, looks(), toldLooks+1)
		require.Equal(t, map[string]string{"c": "1:z"}, looks()[toldLooks], "told one turn later")
		told.mu.Lock()
		require.False(t, told.running, "no timer is left where nothing is told")
		told.mu.Unlock()

		for i := range 2 * maxTold {
			told.add(strconv.Itoa(i), "1:x")
		}
		pass(2 * toldPause)
		require.Len(t, looks(), toldLooks+2)
		require.Len(t, looks()[toldLooks+1], maxTold)
		told.close()
		pass(10 * toldPause)
		require.Len(t, looks(), toldLooks+2)
	})
}
