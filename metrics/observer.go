package metrics

import (
	"context"
	"errors"
	"time"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// Observer returns what feeds the metrics from an engine: the Observer of
// backend.Options, by itself or in a [backend.Tee].
func (m *Metrics) Observer() *backend.Observer {
	return &backend.Observer{
		Granted:       m.granted,
		Refused:       m.refused,
		Queued:        func(context.Context, *lease.ConflictError) { m.waiting.Add(1) },
		Woken:         func(_ context.Context, _ lease.ID, why backend.Wakeup) { m.wakeups.of(string(why)).Inc() },
		LeftQueue:     m.leftQueue,
		Renewed:       m.renewed,
		RenewFailed:   m.renewFailed,
		Released:      m.released,
		ReleaseFailed: m.releaseFailed,
		Lost:          m.found,
		Forced:        m.forced,
		Withdrawn:     m.withdrawn,
		Swept:         m.sweptBy,
		StoreCall:     m.storeCall,
	}
}

func (m *Metrics) granted(_ context.Context, l lease.Lease, took time.Duration) {
	g := m.groups.of(l.Claims)
	g.acquires.of(granted).Inc()
	g.acquire.of(granted).Observe(took.Seconds())
	m.holds.begin(l, g)
	if l.Replaced != "" {
		m.holds.end(l.Replaced, "replaced")
	}
}

func (m *Metrics) refused(_ context.Context, r lease.Request, took time.Duration, err error) {
	g, w := m.groups.of(r.Claims), outcome(err)
	g.acquires.of(w).Inc()
	g.acquire.of(w).Observe(took.Seconds())
}

func (m *Metrics) leftQueue(_ context.Context, r lease.Request, waited time.Duration, err error) {
	m.waiting.Add(-1)
	m.groups.of(r.Claims).wait.of(outcome(err)).Observe(waited.Seconds())
}

func (m *Metrics) renewed(_ context.Context, l lease.Lease, _ time.Duration) {
	m.renewals.of("ok").Inc()
	if m.holds.renewed(l, m.groups.of) {
		m.instruments.renewalsLate.Inc()
	}
}

func (m *Metrics) renewFailed(_ context.Context, _ lease.Ref, _ time.Duration, err error) {
	m.renewals.of(word(err)).Inc()
}

func (m *Metrics) released(_ context.Context, ref lease.Ref, _ time.Duration) {
	m.releases.of("ok").Inc()
	m.holds.end(ref.ID, "released")
}

func (m *Metrics) releaseFailed(_ context.Context, _ lease.Ref, _ time.Duration, err error) {
	m.releases.of(word(err)).Inc()
}

// found notes that a call found a lease or a place gone.
func (m *Metrics) found(_ context.Context, err *lease.LostError) {
	w := word(err)
	if known, ok := m.lost[snake(err.Op)]; ok {
		known.of(w).Inc()
	}
	if !errors.Is(err, lease.ErrNotHolder) { // then it is somebody else's
		m.holds.end(err.Ref.ID, w)
	}
}

func (m *Metrics) forced(_ context.Context, _ lease.Revocation, ended []lease.Lease, _ error) {
	m.instruments.forced.Add(float64(len(ended)))
	for _, l := range ended {
		m.holds.end(l.ID, "revoked")
	}
}

func (m *Metrics) withdrawn(_ context.Context, _ backend.WithdrawArgs, err error) {
	m.withdrawals.of(word(err)).Inc()
}

func (m *Metrics) sweptBy(_ context.Context, r lease.SweepResult, took time.Duration, err error) {
	m.sweeps.of(word(err)).Inc()
	for kind, n := range map[string]int{
		"expired": r.Expired, "lapsed": r.Lapsed, "forgotten": r.Forgotten, "trimmed": r.Trimmed,
	} {
		m.swept.of(kind).Add(float64(n))
	}
	m.instruments.sweep.Observe(took.Seconds())
	if err == nil {
		m.instruments.lastSweep.SetToCurrentTime()
	}
}

func (m *Metrics) storeCall(_ context.Context, op string, took time.Duration, err error) {
	calls, ok := m.storeCalls[op]
	if !ok {
		return
	}
	calls.Observe(took.Seconds())
	if err != nil && backend.StoreFailure(err) {
		m.storeErrors[op].of(word(err)).Inc()
	}
}

// KeeperObserver returns what feeds the metrics from a Keeper.
func (m *Metrics) KeeperObserver() *lease.KeeperObserver {
	return &lease.KeeperObserver{
		Renewed: func(_ lease.Lease, took time.Duration) {
			m.keeperRenewals.of("ok").Inc()
			m.instruments.keeperRenewal.Observe(took.Seconds())
		},
		Retried: func(_ lease.Lease, err error) { m.keeperRenewals.of(word(err)).Inc() },
		Lost: func(l lease.Lease, err error) {
			m.keeperLost.of(word(err)).Inc()
			m.holds.end(l.ID, word(err))
		},
		Skipped: func(lease.Lease, time.Duration) { m.instruments.keeperSkipped.Inc() },
	}
}
