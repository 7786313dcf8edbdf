// Package conformance is the contract of Leasekit as tests: [Run] checks that a
// store keeps every rule, with cases that have a name and say why they exist.
package conformance

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/leasekit/leasekit/backend"
)

// Fixture is a store to be checked, made afresh for each case. Fields may be
// added; the zero value of a new field keeps the old meaning.
type Fixture struct {
	// Open returns a handle on the fixture's store, as another process would
	// get one: the second call sees what the first one's handle did. The suite
	// closes every handle.
	Open func(testing.TB) backend.Store

	// RealTime says that the store's clock is outside the process (a real
	// Redis): cases then really wait, with short TTLs. Otherwise each case runs
	// in a testing/synctest bubble, in which an hour takes no time.
	RealTime bool

	// KnownFailures lists cases by name that this store fails, with the
	// reason. They must still fail.
	KnownFailures map[string]string
}

// testCase is one rule, checked.
type testCase struct {
	name string // "Acquire/FreePath"
	why  string // the rule, in one sentence, printed on failure
	run  func(h *harness)
}

// cases returns the whole suite.
func cases() []testCase {
	return slices.Concat(
		historyCases,
		historyReadCases,
		watchCases,
		listCases,
		statsCases,
		sweepCases,
		forceCases,
		configCases,
		acquireCases,
		claimCases,
		identityCases,
		queueCases,
		exceptionCases,
		priorityCases,
		handoverCases,
		timeoutCases,
		deadlockCases,
		placeCases,
		renewCases,
		releaseCases,
		replaceCases,
		cancelCases,
		lostReplyCases,
		fencingCases,
		clockCases,
		limitCases,
	)
}

// Run checks the store that make makes, once for each case. A case in the
// fixture's KnownFailures is expected to fail, and fails the run if it passes.
func Run(t *testing.T, make func(testing.TB) Fixture) {
	for _, c := range cases() {
		t.Run(c.name, func(t *testing.T) {
			runCase(t, c, make)
		})
	}
}

func runCase(t *testing.T, c testCase, make func(testing.TB) Fixture) {
	fixture := make(t)
	if reason, known := fixture.KnownFailures[c.name]; known {
		if failure := failureOf(t, c, fixture); failure == "" {
			t.Errorf("the case passes, but is listed as a known failure: %s", reason)
		} else {
			t.Logf("known failure (%s): %s", reason, failure)
		}
		return
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the rule: %s", c.why)
		}
	})
	within(t, fixture, func(t *testing.T) { c.check(newHarness(t, fixture)) })
}

// check runs the case, and then replays the history that it left behind.
func (c testCase) check(h *harness) {
	c.run(h)
	if !h.Failed() && !h.gaps {
		Check(h, h.open())
	}
}

// within runs body where the fixture's clock is: in a bubble, or in real time
// beside the other cases.
func within(t *testing.T, fixture Fixture, body func(t *testing.T)) {
	if fixture.RealTime {
		t.Parallel()
		body(t)
		return
	}
	synctest.Test(t, body)
}

// failureOf runs a case against a stand-in for t and returns how it failed, ""
// if it did not.
func failureOf(t *testing.T, c testCase, fixture Fixture) string {
	var r *recorder
	within(t, fixture, func(t *testing.T) {
		r = newRecorder(t)
		r.run(func() { c.check(newHarness(r, fixture)) })
	})
	return r.failure()
}
