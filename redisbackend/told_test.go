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

// TestTold: what was told is looked at on the next turn, and again at growing ages, with the newest messages to each
// process; and nothing after close.
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
		require.Empty(t, looks())
		pass(1)
		require.Len(t, looks(), 1)
		require.Equal(t, "1:x1:y", looks()[0]["a"])
		newest := strings.Fields(looks()[0]["b"])
		require.Len(t, newest, maxTold)
		require.Equal(t, strconv.Itoa(2*maxTold-1), newest[maxTold-1])

		for _, age := range []int{1, 2, 4, 8, 16, 32} {
			before := len(looks())
			pass(time.Duration(max(1, age-age/2))*toldPause - 1)
			require.Len(t, looks(), before, "age %d", age)
			pass(1)
			require.Len(t, looks(), before+1, "age %d", age)
		}
		pass(2 * toldTurns * toldPause)
		require.Len(t, looks(), 7)
		told.mu.Lock()
		require.False(t, told.running, "no timer is left where nothing is told")
		told.mu.Unlock()

		for i := range 2 * maxTold {
			told.add(strconv.Itoa(i), "1:x")
		}
		pass(toldPause)
		require.Len(t, looks(), 8)
		require.Len(t, looks()[7], maxTold)
		told.close()
		pass(10 * toldPause)
		require.Len(t, looks(), 8)
	})
}
