package backend

import (
	"context"
	"fmt"

	"github.com/leasekit/leasekit/lease"
)

var _ lease.TokenReserver = (*engine)(nil)

// ReserveTokens is of [lease.TokenReserver]. It asks the store once.
func (e *engine) ReserveTokens(ctx context.Context, held lease.Ref, n int) (lease.TokenBlock, error) {
	const op = "reserve tokens"
	ctx, call, err := e.enter(ctx, op)
	if err != nil {
		return lease.TokenBlock{}, err
	}
	defer call.leave()
	if err := checkFullRef(held); err != nil {
		return lease.TokenBlock{}, err
	}
	if n < 1 || n > lease.MaxTokenBlock {
		return lease.TokenBlock{}, lease.Invalid("tokens", "%d, want 1 to %d", n, lease.MaxTokenBlock)
	}
	start := lease.Clock()
	reply, err := e.store.Renew(ctx, RenewArgs{Ref: held, Reserve: n})
	e.called(ctx, "renew", start, err)
	if err != nil {
		return lease.TokenBlock{}, storeError(ctx, op, err)
	}
	e.clock.learn(reply.Now)
	switch {
	case reply.Outcome == Gone:
		return lease.TokenBlock{}, e.lost(ctx, op, held, reply.End)
	case reply.Outcome != Done || reply.Tokens.Len() != n:
		return lease.TokenBlock{}, unexpected(op, fmt.Sprintf("outcome %d with %d tokens", reply.Outcome, reply.Tokens.Len()))
	}
	return reply.Tokens, nil
}
