package lease

import "context"

// MaxTokenBlock is how many tokens [ReserveTokens] reserves at most. Tokens jump
// with time; so many are a second's.
const MaxTokenBlock = 1 << 20

// TokenBlock is a run of fencing tokens that nobody else is ever given: First to
// Last, both included. The zero value has none.
type TokenBlock struct {
	First Token `json:"first"`
	Last  Token `json:"last"`
}

// Len returns how many tokens the block has.
func (b TokenBlock) Len() int {
	if b.First == 0 || b.Last < b.First {
		return 0
	}
	return int(b.Last - b.First + 1)
}

// TokenReserver is what an [Acquirer] may do for who hands out leases of its own
// below one that it holds. The Managers of package backend do.
type TokenReserver interface {
	// ReserveTokens is the function [ReserveTokens].
	ReserveTokens(ctx context.Context, held Ref, n int) (TokenBlock, error)
}

// ReserveTokens reserves n tokens (1 to [MaxTokenBlock]) in the store, for the
// holder of an active lease. They are newer than every token that was handed out
// or reserved before, that of the lease included, and older than every one after. So
// grants made with them, in the order of the block, are fenced as those of the
// store are.
//
// Nothing else changes: neither the lease nor its expiry, and the history tells
// nothing. Tokens that are not used are lost. That does no harm, and neither does a
// repeated call.
//
// [ErrLost] if the lease is gone, or not the caller's; [ErrInvalid] for another
// n, or if a, and what it wraps ([Wrapper]), is no [TokenReserver].
func ReserveTokens(ctx context.Context, a Acquirer, held Ref, n int) (TokenBlock, error) {
	for a != nil {
		if r, ok := a.(TokenReserver); ok {
			return r.ReserveTokens(ctx, held, n)
		}
		w, ok := a.(Wrapper)
		if !ok {
			break
		}
		a = w.Unwrap()
	}
	return TokenBlock{}, Invalid("acquirer", "%T reserves no tokens", a)
}
