package mcpserver

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/exit"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/open"
	"github.com/leasekit/leasekit/lease"
)

// HolderHeader is the HTTP header that names the holder of a request's leases,
// for hosts that send headers of their configuration.
const HolderHeader = "Leasekit-Holder"

const (
	defaultTTL  = 10 * time.Minute
	keepPlace   = time.Minute      // how long a place in line is kept between calls
	defaultWait = 20 * time.Second // of wait_turn
	longestWait = 50 * time.Second // hosts give a tool a minute
	mostShown   = 200              // leases and waiters of one answer
	mostText    = 200              // bytes of a label in an answer
)

const instructions = `Leases on files, so that several agents and people can work in one tree.
Claim a file before you write it (claim_paths), all files of one change in one call. If it is refused, the answer says who is in the way and what to do: wait_turn waits in line, or work on something else. Never write what you could not claim.
A lease ends by itself after its TTL: extend_claim before that if you still need it, release_paths as soon as you are done. Reading needs no lease.`

// Server has the tools for one store.
type Server struct {
	store  *open.Store
	holder string // of this process's session; empty: each request says, or gets a new one
}

// New returns the tools for a store. The holder is who asks unless a request
// says otherwise; if it is empty each claim that names none is by a new one.
func New(store *open.Store, holder string) *Server { return &Server{store: store, holder: holder} }

// MCP returns a server of the protocol. ctx bounds what it does in the background.
func (s *Server) MCP(ctx context.Context) *mcp.Server {
	w := &watcher{ctx: ctx, server: s}
	m := mcp.NewServer(
		&mcp.Implementation{Name: "leasekit", Title: "Leasekit: leases on files", Version: version()},
		&mcp.ServerOptions{
			Instructions:       instructions,
			Capabilities:       &mcp.ServerCapabilities{},
			SubscribeHandler:   w.subscribe,
			UnsubscribeHandler: func(context.Context, *mcp.UnsubscribeRequest) error { return nil },
		})
	w.mcp = m
	s.addTools(m)
	s.addResources(m)
	return m
}

// addTools adds the tools. What a conflict means is in each description: a model
// reads nothing else before it calls.
func (s *Server) addTools(m *mcp.Server) {
	changes := func(title string, idempotent, destructive bool) *mcp.ToolAnnotations {
		closed := false
		return &mcp.ToolAnnotations{Title: title, IdempotentHint: idempotent, DestructiveHint: &destructive, OpenWorldHint: &closed}
	}
	looks := func(title string) *mcp.ToolAnnotations {
		closed := false
		return &mcp.ToolAnnotations{Title: title, ReadOnlyHint: true, IdempotentHint: true, OpenWorldHint: &closed}
	}
	mcp.AddTool(m, &mcp.Tool{
		Name: "claim_paths", Annotations: changes("Claim files", false, false),
		Description: "Take a lease on files before writing them: all of them, or none. It answers at once. On a conflict nothing is taken: " +
			"granted is false, in_the_way says who has them, since you must not write them then, and handle is your place in line for wait_turn, kept for a minute.",
	}, s.claim)
	mcp.AddTool(m, &mcp.Tool{
		Name: "wait_turn", Annotations: changes("Wait in line", true, false),
		Description: "Wait for a refused claim, by the handle of its place in line, for up to wait_seconds. If the turn has not come by then, granted is false and the place is kept for another minute: " +
			"call again with the same handle, or give it up with release_paths. If waiting would be for ever because the others wait for you, it says so and the place is gone.",
	}, s.wait)
	mcp.AddTool(m, &mcp.Tool{
		Name: "release_paths", Annotations: changes("Release files", true, true),
		Description: "Release leases as soon as the files are written, or give up places in line. Whoever waits gets the files at once. A lease that was lost before is in failed; releasing twice does no harm.",
	}, s.release)
	mcp.AddTool(m, &mcp.Tool{
		Name: "extend_claim", Annotations: changes("Extend a lease", false, false),
		Description: "Make a lease last longer, before it ends. If it has already ended (expired, or ended by an operator) this is an error: stop writing these files and claim them again.",
	}, s.extend)
	mcp.AddTool(m, &mcp.Tool{
		Name: "check_paths", Annotations: looks("Look whether files are free"),
		Description: "Look whether files are free, without taking them. The answer may be out of date at once: only claim_paths makes sure. It never conflicts.",
	}, s.check)
	mcp.AddTool(m, &mcp.Tool{
		Name: "who_holds", Annotations: looks("See who holds a file"),
		Description: "See who holds a file or a folder, since when, until when, what for, and who waits for it in which order. It never conflicts.",
	}, s.who)
}

// holderOf is who makes a request.
func (s *Server) holderOf(r *mcp.CallToolRequest, named string) string {
	switch {
	case named != "":
		return named
	case r.Extra != nil && r.Extra.Header.Get(HolderHeader) != "":
		return r.Extra.Header.Get(HolderHeader)
	case s.holder != "":
		return s.holder
	}
	return lease.NewHolder("mcp")
}

// failed makes an error one that a model can act on: a code, what is wrong, and
// what to do.
func failed(err error) error {
	e := exit.Of(err)
	if e.Next == "" {
		return fmt.Errorf("%s: %w", e.Code, err)
	}
	return fmt.Errorf("%s: %w. To mend it: %s", e.Code, err, e.Next)
}

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
