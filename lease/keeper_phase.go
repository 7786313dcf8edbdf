package lease

// phase is where a kept lease stands. It is changed with the Keeper locked.
type phase uint32

const (
	phaseWaiting   phase = iota // its next renewal is due at Held.next
	phaseRenewing               // a worker renews it, or is about to
	phaseResting                // it is not renewed any more, and is kept to Held.deadline
	phaseFinishing              // likewise, since that is the end of its MaxLifetime
	phaseStalled                // it is not renewed until Progress is called

	// It is no longer kept, and Held.err says why.
	phaseOver     // its MaxLifetime is; the Keeper releases it at Held.until
	phaseReleased // Release was called
	phaseDetached // Detach was called, or the Keeper was closed
	phaseExpired  // it reached its local deadline; in the store it may still be active
	phaseLost     // the store said that it has ended
)

func (p phase) kept() bool { return p <= phaseStalled }

// phase returns where the lease stands. Only Progress calls it without the
// Keeper's lock.
func (h *Held) phase() phase { return phase(h.current.Load()) }

func (h *Held) enter(p phase) { h.current.Store(uint32(p)) }
