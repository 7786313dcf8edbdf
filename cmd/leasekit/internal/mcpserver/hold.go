package mcpserver

import (
	"context"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/exit"
	"github.com/leasekit/leasekit/lease"
)

// release releases each handle; one failure does not keep the others.
func (s *Server) release(ctx context.Context, _ *mcp.CallToolRequest, in releaseIn) (*mcp.CallToolResult, releaseOut, error) {
	if len(in.Handles) == 0 {
		return nil, releaseOut{}, failed(lease.Invalid("handles", "none given"))
	}
	out := releaseOut{Released: []string{}}
	for _, handle := range in.Handles {
		ref, err := parseHandle(handle)
		if err == nil {
			err = s.store.Release(ctx, ref)
		}
		if err != nil {
			out.Failed = append(out.Failed, failedOut{Handle: handle, Code: exit.Of(err).Code, Error: err.Error()})
			continue
		}
		out.Released = append(out.Released, handle)
	}
	return nil, out, nil
}

// extend renews a lease.
func (s *Server) extend(ctx context.Context, _ *mcp.CallToolRequest, in extendIn) (*mcp.CallToolResult, extendOut, error) {
	ref, err := parseHandle(in.Handle)
	if err != nil {
		return nil, extendOut{}, failed(err)
	}
	if ref.Token == 0 {
		return nil, extendOut{}, failed(lease.Invalid("handle", "it is a place in line, not a lease: call wait_turn"))
	}
	l, err := s.store.Renew(ctx, ref, time.Duration(in.TTL)*time.Second)
	if err != nil {
		return nil, extendOut{}, failed(err)
	}
	return nil, extendOut{
		Handle: in.Handle, ExpiresAt: clock(l.ExpiresAt), ExpiresIn: secondsLeft(l), Waiters: l.Contention.Waiters,
	}, nil
}
