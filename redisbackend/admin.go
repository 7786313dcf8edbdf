package redisbackend

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// Force implements [backend.Store].
func (s *Store) Force(ctx context.Context, a backend.ForceArgs) (backend.ForceReply, error) {
	if len(a.Query.Status) > 0 && !slices.ContainsFunc(a.Query.Status, func(s lease.Status) bool { return !s.Ended() }) {
		return backend.ForceReply{Outcome: backend.Done}, nil // what has ended cannot be ended
	}
	args := []any{a.Op, bit(a.Again), strconv.Itoa(a.Query.Limit), a.Revocation.Actor, a.Revocation.Reason}
	r, err := s.do(ctx, "force", append(args, queryArgs(a.Query)...)...)
	if err != nil {
		return backend.ForceReply{}, err
	}
	reply := backend.ForceReply{Outcome: r.known()}
	if reply.Outcome == backend.TreeOnly {
		letter := r.text(1)
		var ok bool
		if reply.Tree, ok = decodeClaim((letter + " ")[0], r.text(2)); !ok {
			r.fail()
		}
		return reply, r.err()
	}
	texts := r.texts(1)
	for i := 0; i+1 < len(texts); i += 2 {
		ended, err := decodeRecord(texts[i], texts[i+1])
		if err != nil {
			return reply, err
		}
		reply.Leases = append(reply.Leases, ended.Lease())
	}
	return reply, r.err()
}

// queryArgs returns a query as the scripts read it.
func queryArgs(q lease.Query) []any {
	var statuses []byte
	for letter, status := range statusOf {
		for _, wanted := range q.Status {
			if status == wanted {
				statuses = append(statuses, letter)
			}
		}
	}
	return []any{
		string(q.ID), q.Holder, bit(q.Path != ""), encodePath(q.Path), bit(q.Under != ""), encodePath(q.Under), statuses,
	}
}

// Sweep implements [backend.Store].
func (s *Store) Sweep(ctx context.Context, limit int) (backend.SweepReply, error) {
	r, err := s.do(ctx, "sweep", strconv.Itoa(limit))
	if err != nil {
		return backend.SweepReply{}, err
	}
	swept := backend.SweepReply{
		Result: lease.SweepResult{
			Expired: int(r.number(0)), Lapsed: int(r.number(1)), Forgotten: int(r.number(2)), Trimmed: int(r.number(3)),
		},
		More: r.number(4) == 1,
	}
	_ = s.countRefused(ctx) // only a statistic
	return swept, r.err()
}

// Config implements [backend.Store].
func (s *Store) Config(ctx context.Context) (backend.ConfigReply, error) {
	r, err := s.do(ctx, "config")
	if err != nil {
		return backend.ConfigReply{}, err
	}
	return backend.ConfigReply{Config: r.config(), Now: moment(r.now), NoticesGone: s.noticesGone()}, r.err()
}

// noticesGone says whether scripts find out that nobody listens at this handle's address. With rights that keep them from
// publishing they do not, and the dead keep their places for WaiterTTL.
func (s *Store) noticesGone() bool { return s.address == strings.ToLower(s.address[:1])+s.address[1:] }

// SetConfig implements [backend.Store].
func (s *Store) SetConfig(ctx context.Context, c lease.Config) (lease.Config, error) {
	replaces := strconv.FormatUint(c.Version, 10)
	c.Version++
	text, err := encodeConfig(c)
	if err != nil {
		return c, err
	}
	r, err := s.do(ctx, "set_config", replaces, text, newName())
	if err != nil {
		return lease.Config{}, err
	}
	if r.outcome == "version" {
		current := r.config()
		return current, fmt.Errorf("lease: set config: %w: %d, now %s", lease.ErrVersion, current.Version, replaces)
	}
	return r.config(), r.err()
}
