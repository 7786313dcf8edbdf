package mcpserver

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/waits"
	"github.com/leasekit/leasekit/lease"
)

// The resources: the live list, and one lease by its ID.
const (
	listURI        = "leasekit://leases"
	leasePrefixURI = "leasekit://leases/"
	leaseURI       = leasePrefixURI + "{id}"
	mimeJSON       = "application/json"
	updateEvery    = 500 * time.Millisecond // the least time between two updates
)

// listed is the live list.
type listed struct {
	Now     string  `json:"now"` // by the store's clock
	Leases  []entry `json:"leases"`
	Waiters []entry `json:"waiters"` // in the order of the queue
	More    bool    `json:"more,omitempty"`
}

func (s *Server) addResources(m *mcp.Server) {
	m.AddResource(&mcp.Resource{
		URI: listURI, Name: "leases", Title: "Leases and waiters", MIMEType: mimeJSON,
		Description: "Who holds what now, and who waits, oldest first; it can be subscribed to.",
	}, s.readList)
	m.AddResourceTemplate(&mcp.ResourceTemplate{
		URITemplate: leaseURI, Name: "lease", Title: "One lease", MIMEType: mimeJSON,
		Description: "One lease or waiter by its ID, also for a while after its end.",
	}, s.readLease)
}

func (s *Server) readList(ctx context.Context, r *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
	snapshot, err := waits.Take(ctx, s.store.Manager)
	if err != nil {
		return nil, failed(err)
	}
	out := listed{Now: clock(snapshot.Now)}
	out.Leases, out.Waiters, out.More = entries(snapshot)
	return document(r.Params.URI, out)
}

func (s *Server) readLease(ctx context.Context, r *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
	l, err := s.store.Get(ctx, lease.ID(strings.TrimPrefix(r.Params.URI, leasePrefixURI)))
	switch {
	case errors.Is(err, lease.ErrNotFound), errors.Is(err, lease.ErrInvalid):
		return nil, mcp.ResourceNotFoundError(r.Params.URI)
	case err != nil:
		return nil, failed(err)
	}
	return document(r.Params.URI, struct {
		entry
		Status string `json:"status"`
		Ended  string `json:"end_reason,omitempty"`
	}{entryOf(l), l.Status.String(), string(l.EndReason)})
}

func document(uri string, v any) (*mcp.ReadResourceResult, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return &mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{{URI: uri, MIMEType: mimeJSON, Text: string(text)}}}, nil
}

// watcher tells subscribers that the list has changed. It follows the history
// from the first subscription on.
type watcher struct {
	ctx    context.Context
	server *Server
	mcp    *mcp.Server
	once   sync.Once
}

func (w *watcher) subscribe(_ context.Context, r *mcp.SubscribeRequest) error {
	if r.Params.URI != listURI {
		return mcp.ResourceNotFoundError(r.Params.URI)
	}
	w.once.Do(func() { go w.follow() })
	return nil
}

// follow tells of changes, many together, until the server ends.
func (w *watcher) follow() {
	changed := make(chan struct{}, 1)
	go func() {
		for _, err := range w.server.store.Watch(w.ctx, lease.Query{After: lease.Now}) {
			if err != nil {
				return
			}
			select {
			case changed <- struct{}{}:
			default: // it has been said
			}
		}
	}()
	for {
		select {
		case <-w.ctx.Done():
			return
		case <-changed:
		}
		_ = w.mcp.ResourceUpdated(w.ctx, &mcp.ResourceUpdatedNotificationParams{URI: listURI}) // a client that is gone
		select {
		case <-w.ctx.Done():
			return
		case <-time.After(updateEvery):
		}
	}
}
