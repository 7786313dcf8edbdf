package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/leasekit/leasekit/lease"
)

// processState is how this process stands.
type processState struct {
	held, waiting *prometheus.Desc
}

func newProcessState(constant prometheus.Labels) processState {
	return processState{
		held:    describe(constant, "held_leases", "Leases that this process holds."),
		waiting: describe(constant, "waiting_requests", "Calls of Acquire of this process that wait in line."),
	}
}

func (p processState) describe(to chan<- *prometheus.Desc) {
	to <- p.held
	to <- p.waiting
}

func (p processState) collect(to chan<- prometheus.Metric, held int, waiting int64) {
	to <- gauge(p.held, float64(held))
	to <- gauge(p.waiting, float64(waiting))
}

// namespaceState is how the namespace stands, in all processes together.
type namespaceState struct {
	up, leases, waiters, oldest, events, kept, refusals *prometheus.Desc
	sweepInterval, configVersion                        *prometheus.Desc
}

func newNamespaceState(constant prometheus.Labels) namespaceState {
	return namespaceState{
		up:       describe(constant, "namespace_up", "1 if the store told how the namespace stands, else 0."),
		leases:   describe(constant, "namespace_leases", "Leases that hold, of all processes."),
		waiters:  describe(constant, "namespace_waiters", "Requests in line, of all processes."),
		oldest:   describe(constant, "namespace_oldest_waiter_seconds", "How long the oldest request in line has waited; 0 if there is none."),
		events:   describe(constant, "namespace_events_total", "Events in the history since the namespace began."),
		kept:     describe(constant, "namespace_events_kept", "Places in the history from the oldest kept event to the newest."),
		refusals: describe(constant, "namespace_refusals_total", "Refusals of TryAcquire, of all processes."),
		sweepInterval: describe(constant, "namespace_sweep_interval_seconds",
			"How often each process is to sweep in the background; 0 if not at all."),
		configVersion: describe(constant, "namespace_config_version", "How often the configuration was set."),
	}
}

func (n namespaceState) describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		n.up, n.leases, n.waiters, n.oldest, n.events, n.kept, n.refusals, n.sweepInterval, n.configVersion,
	} {
		to <- d
	}
}

// collect asks the store. What it does not say is left out, never made up.
func (n namespaceState) collect(to chan<- prometheus.Metric, f *followed, timeout time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	up := 0.0
	if stats, err := f.inspector.Stats(ctx); err == nil {
		up = 1
		n.collectStats(to, stats)
	}
	if f.admin != nil && up == 1 {
		if c, err := f.admin.Config(ctx); err == nil {
			n.collectConfig(to, c)
		} else {
			up = 0
		}
	}
	to <- gauge(n.up, up)
}

func (n namespaceState) collectStats(to chan<- prometheus.Metric, s lease.Stats) {
	oldest, kept := 0.0, 0.0
	if s.Pending > 0 && !s.OldestWaiter.IsZero() {
		oldest = max(0, s.Now.Sub(s.OldestWaiter).Seconds())
	}
	if s.Oldest > 0 {
		kept = float64(s.Head-s.Oldest) + 1
	}
	to <- gauge(n.leases, float64(s.Active))
	to <- gauge(n.waiters, float64(s.Pending))
	to <- gauge(n.oldest, oldest)
	to <- gauge(n.kept, kept)
	to <- prometheus.MustNewConstMetric(n.events, prometheus.CounterValue, float64(s.Head))
	to <- prometheus.MustNewConstMetric(n.refusals, prometheus.CounterValue, float64(s.Refused))
}

func (n namespaceState) collectConfig(to chan<- prometheus.Metric, c lease.Config) {
	interval := 0.0
	if c.AutoSweep {
		interval = c.SweepInterval.Seconds()
	}
	to <- gauge(n.sweepInterval, interval)
	to <- gauge(n.configVersion, float64(c.Version))
}

func describe(constant prometheus.Labels, name, help string) *prometheus.Desc {
	return prometheus.NewDesc("leasekit_"+name, help, nil, constant)
}

func gauge(d *prometheus.Desc, v float64) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
}
