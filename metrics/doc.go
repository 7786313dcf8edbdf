// Package metrics shows Prometheus what a Manager does and how its namespace
// stands.
//
// A [Metrics] is a prometheus.Collector, and has the Observers that feed it.
// The engine is given its Observer when it is made, so the Metrics comes first:
//
//	metered := metrics.New(nil)
//	m, err := sqlitebackend.Open(ctx, "leases.db", &sqlitebackend.Options{
//		Engine: &backend.Options{Observer: metered.Observer()},
//	})
//	...
//	metered.Follow(m)                       // how the namespace stands
//	prometheus.MustRegister(metered)        // or any Registerer
//	keeper := lease.NewKeeper(m, &lease.KeeperOptions{Observer: metered.KeeperObserver()})
//
// What the Observers are told is about this process: what its calls did and what
// it holds. What [Metrics.Follow] adds (leasekit_namespace_...) is read from the
// store when Prometheus asks, and is the same in all processes of a namespace.
//
// No label is a holder, a path or an ID: the series are few, whatever the load.
// [Options.Group] adds a label of the user's choice, such as a path's first
// segment, and at most [Options.MaxGroups] values of it.
//
// The folder has a dashboard for Grafana (grafana/leasekit.json), and rules for
// Prometheus with alerts (prometheus/leasekit.rules.yml). docs/metrics.md in the
// repository says what each metric means and what to do about each alert.
package metrics
