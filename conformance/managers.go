package conformance

import (
	"slices"
	"testing"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// Managers is a namespace to be checked through [lease.Manager] alone, made
// afresh for each case. Fields may be added; the zero value of a new field keeps
// the old meaning.
type Managers struct {
	// Open returns a Manager on the namespace, as another process would get one:
	// the second call's Manager sees what the first one's did. The suite closes
	// every Manager.
	Open func(testing.TB) lease.Manager

	// RealTime and KnownFailures are those of [Fixture].
	RealTime      bool
	KnownFailures map[string]string
}

// RunManager is [Run] and [RunHelpers] for who has no [backend.Store] to hand in:
// a decorator of a [lease.Manager], or one that was made without package backend.
// It runs the same cases, except those that need the store itself: to hold its
// calls up, to lose their replies, to send copies of them, or to reopen it
// ([ManagerCases] lists what is left).
func RunManager(t *testing.T, newManagers func(testing.TB) Managers) {
	newFixture := func(t testing.TB) Fixture { return newManagers(t).fixture() }
	suite := managerCases()
	checkKnownFailures(t, newFixture, suite)
	runCases(t, suite, newFixture)
}

// ManagerCases returns what [RunManager] checks.
func ManagerCases() []Case { return listed(managerCases()) }

func managerCases() []testCase {
	return slices.DeleteFunc(slices.Concat(cases(), helperCases()), testCase.needsStore)
}

// needsStore reports whether a Manager is not enough for the case.
func (c testCase) needsStore() bool {
	return c.needs(reopenGroup) || c.needs(transactionGroup) || slices.Contains(onStores, c.name)
}

// noStore is the failure of a case that asks for a store where there is none.
const noStore = "the case needs a store and not only a Manager"

// fixture is one without a store.
func (m Managers) fixture() Fixture {
	return Fixture{
		Open: func(t testing.TB) backend.Store {
			t.Helper()
			t.Fatal(noStore)
			return nil
		},
		manager: m.Open, RealTime: m.RealTime, KnownFailures: m.KnownFailures,
	}
}
