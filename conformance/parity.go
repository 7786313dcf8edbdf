package conformance

import (
	"fmt"
	"testing"
)

// Parity runs random scripts on a store and on a model of the contract side by
// side, one for each seed, and requires that every reply tells the same and that
// the histories are the same, line by line (ends in the order of their dates,
// since stores record them when they come across them; tokens by their order). It
// also replays the store's history, as [Check] does, and requires that every
// waiter that can be granted was woken. The model is plain and slow and shares
// nothing with package backend/rules, by which it judges stores, too.
//
// What fails is printed at once; then the script is shrunk to a short one, which
// is printed with the seed and the way to run it again. Without seeds there are
// 25.
func Parity(t *testing.T, newFixture func(testing.TB) Fixture, seeds ...uint64) {
	if len(seeds) == 0 {
		seeds = Seeds(1, 25)
	}
	realTime := newFixture(t).RealTime
	tests := make([]subtest, len(seeds))
	for i, seed := range seeds {
		tests[i] = subtest{fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			playSeed(t, newFixture, seed, realTime)
		}}
	}
	runAll(t, realTime, tests)
}

func playSeed(t *testing.T, newFixture func(testing.TB) Fixture, seed uint64, realTime bool) {
	all := script(seed, realTime)
	difference := compare(t, newFixture, all)
	if difference == "" {
		return
	}
	t.Errorf("the store differs from the model, or broke a rule (a shorter script follows):\n%s", difference)
	attempts := 600
	if realTime {
		attempts = 100
	}
	short := shrink(all, attempts, func(some []instruction) bool {
		d := compare(t, newFixture, some)
		if d != "" {
			difference = d
		}
		return d != ""
	})
	t.Errorf("the shortest script found:\n%s\nin the script\n%s\nagain with: go test -run '^%s$' .",
		difference, text(short), t.Name())
}

// Seeds returns the n seeds from first on.
func Seeds(first uint64, n int) []uint64 {
	seeds := make([]uint64, n)
	for i := range seeds {
		seeds[i] = first + uint64(i)
	}
	return seeds
}

// compare runs a script on a fresh store and on a fresh model. It returns how
// they differ, "" if they do not.
func compare(t *testing.T, newFixture func(testing.TB) Fixture, script []instruction) string {
	t.Helper()
	fixture := newFixture(t)
	var difference string
	about := func() string { return "the store and the model do the same\n" + text(script) }
	within(t, fixture, about, func(t *testing.T) {
		r := newRecorder(t)
		r.run(func() {
			difference = newPlayer(newHarness(r, fixture)).play(script)
		})
		if r.Failed() {
			difference += r.text()
		}
	})
	return difference
}
