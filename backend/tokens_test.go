package backend_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/lease"
)

func TestReserveTokensOutcomes(t *testing.T) {
	for name, c := range map[string]struct {
		reply backend.RenewReply
		err   error
		is    error
	}{
		"Gone":          {backend.RenewReply{Outcome: backend.Gone, End: backend.End{Err: lease.ErrRevoked}}, nil, lease.ErrRevoked},
		"Bad":           {backend.RenewReply{Outcome: backend.Overtaken}, nil, lease.ErrUnavailable},
		"Error":         {backend.RenewReply{}, errDown, lease.ErrUnavailable},
		"NotReserved":   {backend.RenewReply{Outcome: backend.Done, Remaining: 1}, nil, lease.ErrUnavailable},
		"OthersThanAsk": {backend.RenewReply{Outcome: backend.Done, Tokens: lease.TokenBlock{First: 1, Last: 2}}, nil, lease.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			manage(t, nil, func(t *testing.T, s *script, m lease.Manager) {
				s.config.Version = 0 // what it is does not matter
				s.renew = func(_ context.Context, a backend.RenewArgs) (backend.RenewReply, error) {
					require.Equal(t, backend.RenewArgs{Ref: held, Reserve: 3}, a)
					return c.reply, c.err
				}
				_, err := lease.ReserveTokens(t.Context(), m, held, 3)
				require.ErrorIs(t, err, c.is)
			})
		})
	}
}

type wrapped struct{ lease.Manager }

func (w wrapped) Unwrap() lease.Acquirer { return w.Manager }

func TestReserveTokensThroughAWrapper(t *testing.T) {
	m := memory.New(nil)
	defer m.Close()
	l, err := m.TryAcquire(t.Context(), request())
	require.NoError(t, err)
	block, err := lease.ReserveTokens(t.Context(), wrapped{m}, l.Ref(), 10)
	require.NoError(t, err)
	require.Equal(t, 10, block.Len())
	_, err = lease.ReserveTokens(t.Context(), struct{ lease.Manager }{m}, l.Ref(), 10)
	require.ErrorIs(t, err, lease.ErrInvalid, "what wraps without telling")
	_, err = lease.ReserveTokens(t.Context(), nil, l.Ref(), 10)
	require.ErrorIs(t, err, lease.ErrInvalid)
}
