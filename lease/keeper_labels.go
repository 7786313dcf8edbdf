package lease

import "context"

// SetLabels gives the lease these labels instead of all that it has. It takes
// none of its renewals and does not change when it is renewed next. While
// Replace is under way it is about the old lease; the new one has the labels that
// the function given to Replace asked for. Errors are those of
// [Acquirer].SetLabels; after the end of the keeping the error is that of Err.
func (h *Held) SetLabels(ctx context.Context, labels map[string]string) error {
	if h.zero() {
		return errZeroHeld()
	}
	k := h.keeper
	k.mu.Lock()
	ref, err := h.lease.Ref(), h.err
	k.mu.Unlock()
	if err != nil {
		return err
	}
	l, err := k.acquirer.SetLabels(ctx, ref, labels)
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if h.lease.ID == l.ID && !l.UpdatedAt.Before(h.lease.UpdatedAt) {
		h.lease.Labels, h.lease.UpdatedAt = l.Labels, l.UpdatedAt
	}
	return nil
}
