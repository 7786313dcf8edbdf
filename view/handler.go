package view

import (
	"context"
	"net"
	"net/http"
	"path"
	"time"

	"github.com/leasekit/leasekit/lease"
)

// Action is something that changes the store.
type Action string

// The actions.
const (
	ForceRelease Action = "force-release" // end leases, withdraw waiters
	SetConfig    Action = "set-config"    // change the namespace's configuration
)

// Options are what a handler may be told. The zero value, and nil, are the
// defaults.
type Options struct {
	// Title is the page's heading, the namespace say; "Leases" if empty.
	Title string

	// Allow reports whether a request may do an action. Nil: none may. It is
	// asked for each action, and to decide which buttons to show.
	Allow func(r *http.Request, a Action) bool

	// Actor names who does an action, for the history. Nil: the address that
	// the request came from.
	Actor func(r *http.Request) string

	// Context ends the handler: its streams, and its copy of the state. Nil:
	// it lives as long as the Manager.
	Context context.Context //nolint:containedctx // a handler has no call to take it from

	// Linger is how long the copy of the state is kept after the last viewer
	// left; 0: 30 s.
	Linger time.Duration

	// Heartbeat is how often a stream sends something when nothing happens, so
	// that both ends know that it lives; 0: 10 s.
	Heartbeat time.Duration
}

// handler serves the page, its JSON and its stream.
type handler struct {
	manager lease.Manager
	options Options
	feed    *feed
	routes  *http.ServeMux
	origin  *http.CrossOriginProtection
}

// Handler returns the page over m. It starts nothing until somebody looks; see
// the package documentation for its life cycle. It is safe for concurrent use.
func Handler(m lease.Manager, o *Options) http.Handler {
	h := &handler{manager: m, routes: http.NewServeMux(), origin: http.NewCrossOriginProtection()}
	if o != nil {
		h.options = *o
	}
	if h.options.Title == "" {
		h.options.Title = "Leases"
	}
	if h.options.Context == nil {
		h.options.Context = context.Background()
	}
	if h.options.Linger <= 0 {
		h.options.Linger = 30 * time.Second
	}
	if h.options.Heartbeat <= 0 {
		h.options.Heartbeat = 10 * time.Second
	}
	h.feed = &feed{manager: m, ctx: h.options.Context, linger: h.options.Linger}

	h.routes.HandleFunc("GET /{$}", h.index)
	h.routes.HandleFunc("GET /page/", h.asset)
	h.routes.HandleFunc("GET /api/stream", h.stream)
	h.routes.HandleFunc("GET /api/now", h.reading(h.now))
	h.routes.HandleFunc("GET /api/waits", h.reading(h.waits))
	h.routes.HandleFunc("GET /api/timeline", h.reading(h.timeline))
	h.routes.HandleFunc("GET /api/hot", h.reading(h.hot))
	h.routes.HandleFunc("GET /api/events", h.reading(h.events))
	h.routes.HandleFunc("GET /api/path", h.reading(h.path))
	h.routes.HandleFunc("GET /api/lease", h.reading(h.lease))
	h.routes.HandleFunc("GET /api/config", h.reading(h.config))
	h.routes.HandleFunc("POST /api/config", h.acting(SetConfig, h.setConfig))
	h.routes.HandleFunc("GET /api/force-release", h.reading(h.previewRelease))
	h.routes.HandleFunc("POST /api/force-release", h.acting(ForceRelease, h.forceRelease))
	return h
}

// policy lets the page load its own files and nothing else: a name that got
// into the page as markup could not do anything there.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Security-Policy", policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cache-Control", "no-store")
	if r.URL.Path == "" {
		// The page's addresses are relative, so it needs the slash at its end.
		asked, _, _ := cutQuery(r.RequestURI)
		header.Set("Location", path.Base(asked)+"/")
		w.WriteHeader(http.StatusTemporaryRedirect)
		return
	}
	h.routes.ServeHTTP(w, r)
}

// may lists the actions that the request is allowed.
func (h *handler) may(r *http.Request) []Action {
	allowed := []Action{}
	for _, a := range []Action{ForceRelease, SetConfig} {
		if h.options.Allow != nil && h.options.Allow(r, a) {
			allowed = append(allowed, a)
		}
	}
	return allowed
}

// actor names who makes the request.
func (h *handler) actor(r *http.Request) string {
	if h.options.Actor != nil {
		return h.options.Actor(r)
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	return "view from " + host
}
