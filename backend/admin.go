package backend

import (
	"context"

	"github.com/leasekit/leasekit/lease"
)

// ForceRelease ends what q selects. If it fails midway it returns what it had
// ended along with the error.
func (e *engine) ForceRelease(ctx context.Context, q lease.Query, r lease.Revocation) ([]lease.Lease, error) {
	const op = "force release"
	ctx, call, err := e.enter(ctx, op)
	if err != nil {
		return nil, err
	}
	defer call.leave()
	q, err = cleanQuery(q)
	if err != nil {
		return nil, err
	}
	if err := checkRevocation(r); err != nil {
		return nil, err
	}
	if q.Empty() && !q.All {
		return nil, lease.Invalid("query", "selects everything; set All if that is meant")
	}
	all, err := e.force(ctx, q, r)
	if e.observer.Forced != nil {
		e.observer.Forced(ctx, r, all, err)
	}
	return all, err
}

// force ends what q selects, step by step.
func (e *engine) force(ctx context.Context, q lease.Query, r lease.Revocation) ([]lease.Lease, error) {
	const op = "force release"
	args, limit := ForceArgs{Query: q, Revocation: r}, q.Limit
	var all []lease.Lease
	for {
		args.Op = string(lease.NewID())
		start := lease.Clock()
		reply, err := e.store.Force(ctx, args)
		e.called(ctx, op, start, err)
		if err != nil {
			return all, storeError(ctx, op, err)
		}
		if reply.Outcome == TreeOnly {
			return all, lease.Invalid("path", "the tree %s is reached only through Path; name it by ID, Holder or Under", reply.Tree)
		}
		all = append(all, reply.Leases...)
		if reply.Outcome != Again || limit > 0 && len(all) >= limit {
			return all, nil
		}
		args.Again = true
		if limit > 0 {
			args.Query.Limit = limit - len(all)
		}
		if ctx.Err() != nil {
			return all, endedError(ctx, op)
		}
	}
}

// Sweep goes on until there is nothing more to do.
func (e *engine) Sweep(ctx context.Context) (lease.SweepResult, error) {
	const op = "sweep"
	ctx, call, err := e.enter(ctx, op)
	if err != nil {
		return lease.SweepResult{}, err
	}
	defer call.leave()
	return e.sweep(ctx, op, 0)
}
