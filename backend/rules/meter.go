package rules

import "github.com/leasekit/leasekit/lease"

// maxWork bounds how many records one step reads.
const maxWork = 4000

// meter is a transaction that counts what is read: each question and each
// record that answers it.
type meter struct {
	Tx
	work int
}

// spent reports whether the step has read as much as it may.
func (m *meter) spent() bool { return m.work >= maxWork }

func (m *meter) count(rs []*Record, err error) ([]*Record, error) {
	m.work += 1 + len(rs)
	return rs, err
}

func (m *meter) Find(id lease.ID) (*Record, error) {
	m.work++
	return m.Tx.Find(id)
}

func (m *meter) Leases(o Overlap) ([]*Record, error) { return m.count(m.Tx.Leases(o)) }

func (m *meter) Waiters(o Overlap) ([]*Record, error) { return m.count(m.Tx.Waiters(o)) }

func (m *meter) LeasesOf(holder string, limit int) ([]*Record, error) {
	return m.count(m.Tx.LeasesOf(holder, limit))
}

func (m *meter) WaitersOf(holder string, limit int) ([]*Record, error) {
	return m.count(m.Tx.WaitersOf(holder, limit))
}

func (m *meter) Dependents(id lease.ID, limit int) ([]*Record, error) {
	return m.count(m.Tx.Dependents(id, limit))
}

func (m *meter) Chained(id lease.ID, status lease.Status, limit int) ([]*Record, error) {
	return m.count(m.Tx.Chained(id, status, limit))
}

func (m *meter) Select(q lease.Query, after int64, limit int) ([]*Record, error) {
	return m.count(m.Tx.Select(q, after, limit))
}
