// Package conformance is the contract of Leasekit as tests. The author of a
// store hands in a [Fixture] that makes one, and gets:
//
//   - [Run]: every rule as a named case that says why it exists;
//   - [RunHelpers]: the same for what package lease builds on a Manager;
//   - [RunManager]: those cases of both that need no more than a [lease.Manager], for decorators;
//   - [Parity]: random scripts on the store and on a model of the contract side by side;
//   - [Check]: a replay of any recorded history (package lease/audit);
//   - [Faults]: a wrapper that makes a store's calls go wrong;
//   - [TxFaults] and [RunTransactions]: for stores on package rules, the same within their transactions;
//   - [Bench]: the shared benchmark.
//
// A store's test file needs no more than this:
//
//	func fixture(t testing.TB) conformance.Fixture {
//		path := filepath.Join(t.TempDir(), "leases.db")
//		return conformance.Fixture{Open: func(t testing.TB) backend.Store {
//			s, err := OpenStore(t.Context(), path)
//			require.NoError(t, err)
//			return s
//		}}
//	}
//
//	func TestConformance(t *testing.T) { conformance.Run(t, fixture) }
//	func TestHelpers(t *testing.T)     { conformance.RunHelpers(t, fixture) }
//	func TestParity(t *testing.T)      { conformance.Parity(t, fixture) }
//	func BenchmarkStore(b *testing.B)  { conformance.Bench(b, fixture) }
//
// Cases run in testing/synctest bubbles, in which hours take no time, with the
// store's goroutines inside; a store whose clock is outside the process says so
// ([Fixture.RealTime]).
package conformance

import (
	"slices"
	"strings"
	"testing"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// Fixture is a store to be checked, made afresh for each case. Fields may be
// added; the zero value of a new field keeps the old meaning.
type Fixture struct {
	// Open returns a handle on the fixture's store, as another process would
	// get one: the second call sees what the first one's handle did. The suite
	// closes every handle.
	Open func(testing.TB) backend.Store

	// Reopen makes the store as it is after its process ended and was started
	// again: it is called when every handle has been closed, and the next Open
	// finds only what was stored. It may have nothing to do. The cases of the
	// group Reopen then check that nothing was kept in memory alone. A store that
	// keeps nothing leaves it nil and says so in Volatile.
	Reopen func(testing.TB)

	// Crash ends a handle as the crash of its process would: nothing is said to
	// the store. If it is nil the handle is closed.
	Crash func(testing.TB, backend.Store)

	// OpenFaulty is for stores on package rules: it opens a handle whose
	// transactions go wrong as the faults say. With it Run has the cases of the
	// group Transaction, and [RunTransactions] is of use. Nil leaves them out.
	OpenFaulty func(testing.TB, *TxFaults) backend.Store

	// Volatile says why there is no Reopen.
	Volatile string

	// RealTime says that the store's clock is outside the process (a real
	// Redis): cases then really wait, many side by side, with short TTLs; a few
	// take two minutes. Otherwise each case runs in a testing/synctest bubble, in
	// which an hour takes no time.
	RealTime bool

	// KnownFailures lists cases by name that this store fails, with the
	// reason. They must still fail.
	KnownFailures map[string]string

	manager func(testing.TB) lease.Manager // in place of the store: see Managers
}

// testCase is one rule, checked. One that needs the store itself, and not only
// Managers on it, stands in onStores, too.
type testCase struct {
	name string // "Acquire/FreePath"
	why  string // the rule, in one sentence, printed on failure
	run  func(h *harness)
}

func (c testCase) rule() string { return c.why }

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
		goneCases,
		renewCases,
		labelCases,
		releaseCases,
		replaceCases,
		cancelCases,
		lostReplyCases,
		fencingCases,
		tokenCases,
		clockCases,
		clockLoadCases,
		lateCases,
		limitCases,
		repeatedCases,
		boundCases,
		subleaseCases,
		subleaseEndCases,
		reopenCases,
		sizeCases,
		crowdCases,
		secondCases,
		amongCases,
		apartCases,
		callCases,
		everyCases,
		everyBoundCases,
		everyQueryCases,
		togetherCases,
		transactionCases,
	)
}

// Case is a rule of the suite, by the name of the test that checks it.
type Case struct {
	Name string // "Acquire/FreePath"
	Rule string // in one sentence
}

// Cases returns what [Run] checks.
func Cases() []Case { return listed(cases()) }

// HelperCases returns what [RunHelpers] checks.
func HelperCases() []Case { return listed(helperCases()) }

func listed(suite []testCase) []Case {
	all := make([]Case, len(suite))
	for i, c := range suite {
		all[i] = Case{Name: c.name, Rule: c.why}
	}
	return all
}

// Run checks the store of the fixture that newFixture makes, once for each case.
// A case that the fixture lists in KnownFailures is expected to fail, and fails
// the run if it passes.
func Run(t *testing.T, newFixture func(testing.TB) Fixture) {
	suite := cases()
	checkKnownFailures(t, newFixture, suite)
	runCases(t, suiteOf(t, newFixture, suite), newFixture)
}

func checkKnownFailures(t *testing.T, newFixture func(testing.TB) Fixture, suite []testCase) {
	t.Run("KnownFailures", func(t *testing.T) {
		for name := range newFixture(t).KnownFailures {
			if !slices.ContainsFunc(suite, func(c testCase) bool { return c.name == name }) {
				t.Errorf("there is no case %q", name)
			}
		}
	})
}

// suiteOf leaves out the cases that the fixture has no functions for: they are not
// skipped, since the store promises nothing there.
func suiteOf(t *testing.T, newFixture func(testing.TB) Fixture, suite []testCase) []testCase {
	fixture := newFixture(t)
	if fixture.OpenFaulty == nil {
		suite = slices.DeleteFunc(suite, func(c testCase) bool { return c.needs(transactionGroup) })
	}
	if fixture.Reopen != nil {
		return suite
	}
	suite = slices.DeleteFunc(suite, func(c testCase) bool { return c.needs(reopenGroup) })
	t.Run("NotReopened", func(t *testing.T) {
		if fixture.Volatile == "" {
			t.Log("the fixture has neither Reopen nor a reason in Volatile: what must be stored is not checked")
			return
		}
		t.Logf("what must be stored is not checked: %s", fixture.Volatile)
	})
	return suite
}

// needs reports whether the case is of a group that not every fixture can run.
func (c testCase) needs(group string) bool { return strings.HasPrefix(c.name, group) }

func runCases(t *testing.T, suite []testCase, newFixture func(testing.TB) Fixture) {
	tests := make([]subtest, len(suite))
	for i, c := range suite {
		tests[i] = subtest{c.name, func(t *testing.T) { runCase(t, c, newFixture) }}
	}
	runAll(t, newFixture(t).RealTime, tests)
}

func runCase(t *testing.T, c testCase, newFixture func(testing.TB) Fixture) {
	newFixture = timed(c, newFixture)
	fixture := newFixture(t)
	if reason, known := fixture.KnownFailures[c.name]; known {
		r := record(t, c, fixture)
		switch {
		case r.Skipped():
			t.Skip(r.text())
		case !r.Failed():
			t.Errorf("the case passes, but is listed as a known failure: %s", reason)
		default:
			t.Logf("known failure: %s\n%s", reason, r.text())
		}
		return
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the rule: %s", c.why)
		}
	})
	if fixture.RealTime {
		runReal(t, c, newFixture)
		return
	}
	within(t, fixture, c.rule, func(t *testing.T) { c.check(newHarness(t, fixture)) })
}

// timed makes the fixture's time real for cases that need that.
func timed(c testCase, newFixture func(testing.TB) Fixture) func(testing.TB) Fixture {
	if !strings.HasPrefix(c.name, "ClockLoad/") {
		return newFixture
	}
	return func(t testing.TB) Fixture {
		f := newFixture(t)
		f.RealTime = true
		return f
	}
}

// check runs the case, and then replays the history that it left behind, and compares
// it with what is remembered.
func (c testCase) check(h *harness) {
	c.run(h)
	if !h.Failed() && !h.gaps {
		m := h.open()
		Check(h, m)
		h.endsAgree(m)
	}
}

// record runs a case against a stand-in for t.
func record(t *testing.T, c testCase, fixture Fixture) *recorder {
	var r *recorder
	within(t, fixture, c.rule, func(t *testing.T) {
		r = newRecorder(t)
		r.run(func() { c.check(newHarness(r, fixture)) })
	})
	return r
}
