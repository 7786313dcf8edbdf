package rules

import "github.com/leasekit/leasekit/lease"

// SetConfig is [backend.Store.SetConfig] as one step.
func (s *Step) SetConfig(c lease.Config) (lease.Config, error) {
	if c.Version != s.config.Version {
		return s.config, lease.ErrVersion
	}
	c.Version++
	s.config = c
	if err := s.tx.SetConfig(c); err != nil {
		return c, err
	}
	return c, s.record(lease.KindConfig, s.now, nil, "", "")
}
