package lease_test

import (
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

// uuid7 is the text form of a UUID with version 7 and the variant of RFC 9562.
var uuid7 = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func TestNewID(t *testing.T) {
	before := time.Now().UnixMilli()
	last := lease.NewID()
	milli, err := strconv.ParseInt(string(last[:8]+last[9:13]), 16, 64)
	require.NoError(t, err)
	require.GreaterOrEqual(t, milli, before, "it begins with the milliseconds")
	for range 10_000 {
		id := lease.NewID()
		require.Regexp(t, uuid7, string(id))
		require.Greater(t, id, last)
		last = id
	}
}

// More IDs than a millisecond has room for still rise.
func TestNewIDWithinAMillisecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // where time stands still
		last := lease.NewID()
		for range 3 << 12 {
			id := lease.NewID()
			require.Greater(t, id, last)
			require.Regexp(t, uuid7, string(id))
			last = id
		}
	})
}

func TestNewIDConcurrently(t *testing.T) {
	var seen sync.Map
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 2000 {
				if _, twice := seen.LoadOrStore(lease.NewID(), true); twice {
					t.Error("an ID came twice")
				}
			}
		})
	}
	group.Wait()
}

func TestNewHolder(t *testing.T) {
	require.NotEqual(t, lease.NewHolder("agent"), lease.NewHolder("agent"))
	require.True(t, strings.HasPrefix(lease.NewHolder("agent"), "agent-"))
	tail := regexp.MustCompile(`-[0-9]+-[0-9a-f]{12}$`)
	for length := range lease.MaxHolderBytes - len("-4194304-0123456789ab") {
		name := lease.NewHolder(strings.Repeat("a", length))
		require.LessOrEqual(t, len(name), lease.MaxHolderBytes)
		require.Regexp(t, tail, name, "what makes it unique is never cut")
		require.True(t, utf8.ValidString(name))
	}
}
