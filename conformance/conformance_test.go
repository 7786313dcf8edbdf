package conformance

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/lease"
)

// sound is a fixture without a defect.
func sound(testing.TB) Fixture { return plant(hooks{}) }

func TestCasesHaveNamesAndReasons(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range append(cases(), helperCases()...) {
		require.False(t, seen[c.name], "%s is there twice", c.name)
		seen[c.name] = true
		require.Regexp(t, `^[A-Z]\w+/[A-Z]\w+$`, c.name)
		require.Greater(t, len(c.why), 20, c.name)
		require.False(t, strings.HasSuffix(c.why, "."), c.name)
	}
	require.GreaterOrEqual(t, len(seen), 90)
	for _, name := range inMinutes {
		require.True(t, seen[name], "no case %s", name)
	}
}

func TestKnownFailures(t *testing.T) {
	fails := testCase{"Test/Fails", "why", func(h *harness) { h.Fatal("broken") }}
	passes := testCase{"Test/Passes", "why", func(*harness) {}}
	panics := testCase{"Test/Panics", "why", func(*harness) { panic("broken") }}
	cleans := testCase{"Test/Cleans", "why", func(h *harness) {
		h.Cleanup(func() { h.Error("broken in a cleanup") })
		h.Cleanup(func() { h.FailNow() })
	}}
	skips := testCase{"Test/Skips", "why", func(h *harness) { h.Skip("not here") }}
	for _, c := range []struct {
		testCase
		failed bool
		text   string
	}{
		{fails, true, "broken"},
		{passes, false, ""},
		{panics, true, "panic: broken"},
		{cleans, true, "broken in a cleanup"},
		{skips, false, "not here"},
	} {
		r := record(t, c.testCase, sound(t))
		require.Equal(t, c.failed, r.Failed(), c.name)
		require.Contains(t, r.text(), c.text)
	}
	// The run goes on after one that fails as it is known to.
	runCase(t, fails, func(t testing.TB) Fixture {
		f := sound(t)
		f.KnownFailures = map[string]string{"Test/Fails": "to show how"}
		return f
	})
}

// TestAgain: what fails is run again only on a machine that is late, and not for
// ever.
func TestAgain(t *testing.T) {
	sound, broken := newRecorder(t), newRecorder(t)
	broken.Fail()
	require.False(t, again(1, sound, time.Second))
	require.False(t, again(1, broken, tolerated))
	require.True(t, again(1, broken, time.Second))
	require.True(t, again(attempts-1, broken, time.Second))
	require.False(t, again(attempts, broken, time.Second))

	stop := watchTimers()
	time.Sleep(20 * time.Millisecond)
	require.Less(t, stop(), time.Minute)
	runs := 0
	runReal(t, testCase{"Test/Passes", "why", func(*harness) { runs++ }}, func(t testing.TB) Fixture {
		f := plant(hooks{})
		f.RealTime = true
		return f
	})
	require.Equal(t, 1, runs)
}

// TestParityFindsDefects requires that random scripts find defects by
// themselves, and that what they report is short.
func TestParityFindsDefects(t *testing.T) {
	for _, d := range slices.Concat(askDefects, holdDefects, lookDefects) {
		if !slices.Contains([]string{
			"a token is used again", "a try passes who waits", "the last in line is the first", "trees are ignored",
			"what is replaced goes on", "nobody is woken", "a renewal moves the expiry backwards",
			"a repeated renewal counts twice", "nothing is withdrawn", "force spares who waits",
			"an expiry is dated when it is found out",
		}, d.name) {
			continue
		}
		t.Run(d.name, func(t *testing.T) {
			newFixture := func(testing.TB) Fixture { return plant(d.make()) }
			for seed := range uint64(30) {
				all := script(seed, false)
				if compare(t, newFixture, all) == "" {
					continue
				}
				short := shrink(all, 400, func(some []instruction) bool { return compare(t, newFixture, some) != "" })
				require.LessOrEqual(t, len(short), 20, text(short))
				return
			}
			t.Error("not found")
		})
	}
}

func TestScriptsAreAlwaysTheSame(t *testing.T) {
	require.Equal(t, script(7, false), script(7, false))
	require.NotEqual(t, text(script(7, false)), text(script(8, false)))
}

func TestShrink(t *testing.T) {
	all := script(1, false)
	short := shrink(all, 1000, func(some []instruction) bool {
		has := func(n int) bool {
			return slices.ContainsFunc(some, func(i instruction) bool { return i.number == n && i.verb != doPass })
		}
		return has(firstRequest(all, 20)) && has(firstRequest(all, 80))
	})
	require.Len(t, short, 2)
}

func firstRequest(all []instruction, from int) int {
	return from + slices.IndexFunc(all[from:], func(i instruction) bool { return i.verb == doWait })
}

func TestFaults(t *testing.T) {
	args := func(id lease.ID) backend.AcquireArgs {
		return backend.AcquireArgs{
			Request:       lease.Request{ID: id, Holder: "a", Claims: lease.Paths("f"), TTL: time.Minute, MaxRenewals: lease.Unlimited},
			Attempt:       "one",
			ConfigVersion: 1,
		}
	}
	granted := func(s backend.Store, id lease.ID) bool {
		page, err := s.List(context.Background(), lease.Query{ID: id}, "")
		require.NoError(t, err)
		return len(page.Leases) == 1
	}
	for _, c := range []struct {
		fault   Fault
		err     error
		granted bool
		took    time.Duration
	}{
		{Pass, nil, true, 0},
		{Fail, ErrInjected, false, 0},
		{DropReply, ErrInjected, true, 0},
		{Delay, nil, true, time.Second},
		{Late, nil, true, time.Second},
		{Stall, context.DeadlineExceeded, false, time.Minute},
		{Repeat, nil, true, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := memory.NewStore()
			f := NewFaults(s, FaultOptions{Delay: time.Second})
			f.Next(OpAcquire, c.fault)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			start := time.Now()
			_, err := f.Acquire(ctx, args("one"))
			require.ErrorIs(t, err, c.err)
			require.Equal(t, c.took, time.Since(start))
			require.Equal(t, c.granted, granted(s, "one"))
			_, err = f.Acquire(t.Context(), args("two"))
			require.NoError(t, err)
			require.Equal(t, 2, f.Calls(OpAcquire))
		})
	}
}

func TestFaultsByRate(t *testing.T) {
	wrong := func(seed uint64) int {
		f := NewFaults(memory.NewStore(), FaultOptions{Seed: seed, Rate: 0.3, Faults: []Fault{Fail}, Ops: []Op{OpStats}})
		n := 0
		for range 1000 {
			if _, err := f.Stats(context.Background()); err != nil {
				n++
			}
			_, err := f.Config(context.Background())
			require.NoError(t, err)
		}
		f.SetRate(0)
		_, err := f.Stats(context.Background())
		require.NoError(t, err)
		return n
	}
	require.InDelta(t, 300, wrong(1), 60)
	require.Equal(t, wrong(2), wrong(2), "a seed decides")
}
