package metrics

import "github.com/prometheus/client_golang/prometheus"

// The buckets, in seconds. A grant that nobody is in the way of takes from less
// than a millisecond (SQLite) to some milliseconds (a server); a wait is as long
// as people work; a hold may be hours.
var (
	callBuckets = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	longBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600}
	holdBuckets = []float64{.001, .01, .1, .5, 1, 5, 10, 30, 60, 300, 900, 1800, 3600, 4 * 3600, 24 * 3600}
)

// instruments are the metrics that the Observers feed. Those about requests and
// leases have the label "group" in front if there is one.
type instruments struct {
	acquires *prometheus.CounterVec   // group, outcome
	acquire  *prometheus.HistogramVec // group, outcome
	wait     *prometheus.HistogramVec // group, outcome
	hold     *prometheus.HistogramVec // group, end

	renewals     *prometheus.CounterVec // outcome
	renewalsLate prometheus.Counter
	releases     *prometheus.CounterVec // outcome
	lost         *prometheus.CounterVec // operation, reason
	wakeups      *prometheus.CounterVec // reason
	withdrawals  *prometheus.CounterVec // outcome
	forced       prometheus.Counter

	sweeps    *prometheus.CounterVec // outcome
	swept     *prometheus.CounterVec // kind
	sweep     prometheus.Histogram
	lastSweep prometheus.Gauge

	storeCalls  *prometheus.HistogramVec // operation
	storeErrors *prometheus.CounterVec   // operation, reason

	keeperRenewals *prometheus.CounterVec // outcome
	keeperRenewal  prometheus.Histogram
	keeperLost     *prometheus.CounterVec // reason
	keeperSkipped  prometheus.Counter
}

// newInstruments defines all of them. grouped says that there is a label "group".
func newInstruments(constant prometheus.Labels, grouped bool) *instruments {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "leasekit_" + name, Help: help, ConstLabels: constant,
		}, labels)
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "leasekit_" + name, Help: help, Buckets: buckets, ConstLabels: constant,
		}, labels)
	}
	grouping := func(label string) []string {
		if grouped {
			return []string{"group", label}
		}
		return []string{label}
	}
	return &instruments{
		acquires: counter("acquires_total", "Calls of Acquire and TryAcquire that have returned.", grouping("outcome")...),
		acquire: histogram("acquire_duration_seconds", "How long calls of Acquire and TryAcquire took, waits in line included.",
			longBuckets, grouping("outcome")...),
		wait: histogram("wait_duration_seconds", "How long calls of Acquire waited in line.", longBuckets, grouping("outcome")...),
		hold: histogram("hold_duration_seconds", "How long leases that were granted to this process lasted.",
			holdBuckets, grouping("end")...),

		renewals: counter("renewals_total", "Calls of Renew that have returned.", "outcome"),
		renewalsLate: counter("renewals_late_total",
			"Renewals that came when less than a third of the TTL was left.").WithLabelValues(),
		releases: counter("releases_total", "Calls of Release that have returned.", "outcome"),
		lost:     counter("lost_total", "Calls that found their lease or their place in line gone.", "operation", "reason"),
		wakeups:  counter("wakeups_total", "How often waiting calls asked again.", "reason"),
		withdrawals: counter("withdrawals_total",
			"Attempts that were given up and taken back, or could not be and end by themselves.", "outcome"),
		forced: counter("forced_total", "Leases and waiters that this process ended by ForceRelease.").WithLabelValues(),

		sweeps: counter("sweeps_total", "Sweeps, in the background or called for.", "outcome"),
		swept:  counter("swept_total", "What sweeps recorded or forgot.", "kind"),
		sweep:  one(histogram("sweep_duration_seconds", "How long sweeps took.", callBuckets)),
		lastSweep: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "leasekit_last_sweep_timestamp_seconds", ConstLabels: constant,
			Help: "When this process last swept without an error, or when it began.",
		}),

		storeCalls: histogram("store_call_duration_seconds", "How long the calls of the store took.", callBuckets, "operation"),
		storeErrors: counter("store_errors_total",
			"Calls of the store that failed because it is out of reach or slow.", "operation", "reason"),

		keeperRenewals: counter("keeper_renewals_total", "Renewals that Keepers tried.", "outcome"),
		keeperRenewal:  one(histogram("keeper_renewal_duration_seconds", "How long successful renewals by Keepers took.", callBuckets)),
		keeperLost:     counter("keeper_lost_total", "Leases that Keepers kept and lost.", "reason"),
		keeperSkipped: counter("keeper_skipped_total",
			"Leases that Keepers stopped renewing because their work made no progress.").WithLabelValues(),
	}
}

func one(v *prometheus.HistogramVec) prometheus.Histogram {
	return v.WithLabelValues().(prometheus.Histogram)
}

// all returns every instrument as a Collector.
func (i *instruments) all() []prometheus.Collector {
	return []prometheus.Collector{
		i.acquires, i.acquire, i.wait, i.hold,
		i.renewals, i.renewalsLate, i.releases, i.lost, i.wakeups, i.withdrawals, i.forced,
		i.sweeps, i.swept, i.sweep, i.lastSweep,
		i.storeCalls, i.storeErrors,
		i.keeperRenewals, i.keeperRenewal, i.keeperLost, i.keeperSkipped,
	}
}
