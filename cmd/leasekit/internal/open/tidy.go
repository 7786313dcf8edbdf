package open

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	tidyOdds = 64 // one process in so many sweeps
	tidyTime = time.Second
)

// Tidy sweeps once in a while, if Config.AutoSweep says so. Processes that live
// for less than Config.SweepInterval would otherwise never do it, and the history
// would grow for ever. It fails in silence: the next one has its turn.
func (s *Store) Tidy(ctx context.Context) {
	if rand.N(tidyOdds) == 0 {
		s.sweep(ctx)
	}
}

func (s *Store) sweep(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyTime)
	defer cancel()
	if c, err := s.Manager.Config(ctx); err == nil && c.AutoSweep {
		_, _ = s.Sweep(ctx)
	}
}
