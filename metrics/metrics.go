package metrics

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// Metrics is a prometheus.Collector for one Manager. It is made by [New], and
// safe for concurrent use. Register it once.
type Metrics struct {
	options     Options
	instruments *instruments
	groups      *groups
	holds       *holds
	waiting     atomic.Int64

	renewals, releases, wakeups, withdrawals, sweeps, swept, keeperRenewals, keeperLost counters
	lost, storeErrors                                                                   map[string]counters // by operation
	storeCalls                                                                          map[string]prometheus.Observer

	process   processState
	namespace namespaceState
	manager   atomic.Pointer[followed]
}

// followed is the Manager of Follow, and the part of it that tells the
// configuration, if it has one.
type followed struct {
	inspector lease.Inspector
	admin     lease.Admin
}

// New returns Metrics that nothing feeds yet: see [Metrics.Observer],
// [Metrics.KeeperObserver] and [Metrics.Follow]. Nil options are the defaults.
// A bad label in them is an error of Register.
func New(o *Options) *Metrics {
	options := o.withDefaults()
	i := newInstruments(options.ConstLabels, options.Group != nil)
	m := &Metrics{
		options:     options,
		instruments: i,
		groups:      newGroups(options, i),
		holds:       newHolds(),

		renewals:       newCounters(i.renewals, renewWords),
		releases:       newCounters(i.releases, releaseWords),
		wakeups:        newCounters(i.wakeups, nil),
		withdrawals:    newCounters(i.withdrawals, withdrawWords),
		sweeps:         newCounters(i.sweeps, sweepWords),
		swept:          newCounters(i.swept, sweptKinds),
		keeperRenewals: newCounters(i.keeperRenewals, []string{"ok", "unavailable", "timeout"}),
		keeperLost:     newCounters(i.keeperLost, lostWords),
		lost:           map[string]counters{},
		storeErrors:    map[string]counters{},
		storeCalls:     map[string]prometheus.Observer{},

		process:   newProcessState(options.ConstLabels),
		namespace: newNamespaceState(options.ConstLabels),
	}
	for _, why := range backend.Wakeups() {
		m.wakeups.known[string(why)] = m.wakeups.child(string(why))
	}
	for _, op := range lostOps {
		m.lost[op] = newCounters(i.lost, lostWords, op)
	}
	for _, op := range backend.StoreOps() {
		m.storeErrors[op] = newCounters(i.storeErrors, failureWords, snake(op))
		m.storeCalls[op] = i.storeCalls.WithLabelValues(snake(op))
	}
	i.lastSweep.Set(seconds(time.Now()))
	return m
}

// Follow makes each scrape ask m how the namespace stands, by one call of Stats
// and, if m is a [lease.Admin] too, one of Config. A later call replaces the
// Manager; nil ends it.
func (m *Metrics) Follow(i lease.Inspector) {
	if i == nil {
		m.manager.Store(nil)
		return
	}
	admin, _ := i.(lease.Admin)
	m.manager.Store(&followed{inspector: i, admin: admin})
}

// Describe is for the registry.
func (m *Metrics) Describe(to chan<- *prometheus.Desc) {
	for _, c := range m.instruments.all() {
		c.Describe(to)
	}
	m.process.describe(to)
	m.namespace.describe(to)
}

// Collect is for the registry. It reads the store: see [Metrics.Follow].
func (m *Metrics) Collect(to chan<- prometheus.Metric) {
	held := m.holds.count() // first: it notes leases that are over by time
	for _, c := range m.instruments.all() {
		c.Collect(to)
	}
	m.process.collect(to, held, m.waiting.Load())
	if f := m.manager.Load(); f != nil {
		m.namespace.collect(to, f, m.options.ReadTimeout)
	}
}

func seconds(t time.Time) float64 { return float64(t.UnixNano()) / float64(time.Second) }
