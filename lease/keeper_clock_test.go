package lease

import (
	"context"
	"reflect"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// The tests of this file take real time: in a synctest bubble times have no
// monotonic reading.

// willing grants every renewal, and tells of it.
type willing struct {
	Acquirer
	renewed chan time.Time
}

func (w willing) Renew(_ context.Context, ref Ref, _ time.Duration) (Lease, error) {
	now := time.Now()
	w.renewed <- now
	return granted(ref, now, 10*time.Minute), nil
}

func granted(ref Ref, asked time.Time, ttl time.Duration) Lease {
	return Lease{ID: ref.ID, Holder: ref.Holder, Token: ref.Token, Status: Active, TTL: ttl}.Measured(asked, ttl)
}

// suspended returns a time with the same monotonic reading whose wall clock is
// earlier: as of a call that was made before the machine was suspended.
func suspended(t time.Time, by time.Duration) time.Time {
	wall := reflect.ValueOf(&t).Elem().FieldByName("wall")
	// The seconds of the wall clock begin above 30 bits of nanoseconds.
	*(*uint64)(unsafe.Pointer(wall.UnsafeAddr())) -= uint64(by/time.Second) << 30
	return t
}

func TestSuspendedTime(t *testing.T) {
	now := time.Now()
	before := suspended(now, time.Hour)
	require.Zero(t, now.Sub(before), "by the monotonic clock")
	require.Equal(t, time.Hour, now.Round(0).Sub(before.Round(0)), "by the wall clock")
}

// A machine that wakes up after the lease's end: its timers know nothing of
// that, yet the loss is told at the next look at the clocks.
func TestSuspensionPastTheDeadline(t *testing.T) {
	t.Parallel()
	k := NewKeeper(willing{}, nil)
	defer k.Close()
	h, err := k.Keep(t.Context(), granted(Ref{"id", "a", 1}, time.Now(), 10*time.Minute), nil)
	require.NoError(t, err)
	k.suspend(time.Hour)
	<-h.Context().Done()
	require.ErrorIs(t, h.Err(), ErrExpired)
}

// After a shorter suspension the renewal that is overdue is made at once.
func TestSuspensionPastTheRenewal(t *testing.T) {
	t.Parallel()
	w := willing{renewed: make(chan time.Time)}
	k := NewKeeper(w, nil)
	defer k.Close()
	h, err := k.Keep(t.Context(), granted(Ref{"id", "a", 1}, time.Now(), 10*time.Minute), nil)
	require.NoError(t, err)
	start := time.Now()
	k.suspend(8 * time.Minute)
	require.Less(t, (<-w.renewed).Sub(start), time.Minute)
	require.NoError(t, h.Err())
}

// suspend makes the Keeper's past look as if the machine had been suspended
// until now.
func (k *Keeper) suspend(by time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.start = suspended(k.start, by)
	for _, h := range k.schedule {
		h.lease.asked = suspended(h.lease.asked, by)
	}
}
