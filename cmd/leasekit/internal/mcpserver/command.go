package mcpserver

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/spf13/cobra"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/cmdenv"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/exit"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/hosts"
	"github.com/leasekit/leasekit/lease"
)

// envToken is the environment variable with the token that HTTP clients must
// send.
const envToken = "LEASEKIT_MCP_TOKEN"

const (
	headerTime = 10 * time.Second // for a client to send its headers
	closeTime  = 5 * time.Second  // for requests under way when the server ends
)

// Command returns `leasekit mcp`.
func Command(env *cmdenv.Env) *cobra.Command {
	var address, holder string
	cmd := &cobra.Command{
		Use:   "mcp [flags]",
		Short: "Serve the tools for models, by the Model Context Protocol",
		Long: `Mcp lets a model claim files, wait for them and release them, as tools of the Model
Context Protocol: on standard input and output, which is how hosts start it, or by HTTP
with --http. Leases are handles: a client that goes away releases nothing, its leases end
by their TTL.

The holder is --holder, or LEASEKIT_HOLDER, or the session of the agent's host that
started the server (so that the hook, the shell and the tools of one session are one
holder), or a new one. By HTTP a request may name it in the header Leasekit-Holder; one
that names none is by a new holder.

By HTTP the server listens on this machine only, unless LEASEKIT_MCP_TOKEN is set: then
each request must send it ("Authorization: Bearer ...").`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			store, err := env.Open(ctx)
			if err != nil {
				return err
			}
			if holder == "" {
				holder = hosts.HolderFromEnv(env.Getenv)
			}
			if address != "" {
				err = serveHTTP(ctx, env, New(store, holder), address)
			} else {
				if holder == "" {
					holder = lease.NewHolder("mcp")
				}
				err = serveStdio(ctx, env, New(store, holder))
			}
			return errors.Join(err, store.Close())
		},
	}
	cmd.Flags().StringVar(&address, "http", "", "serve streamable HTTP on this `address`, such as 127.0.0.1:7654, at /mcp")
	cmd.Flags().StringVar(&holder, "holder", "", "who asks (default: LEASEKIT_HOLDER, the host's session, a new one)")
	return cmd
}

// serveStdio serves one client, until it closes the input or ctx ends.
func serveStdio(ctx context.Context, env *cmdenv.Env, s *Server) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	err := s.MCP(ctx).Run(ctx, &mcp.IOTransport{Reader: io.NopCloser(env.In), Writer: unclosed{env.Out}})
	if ctx.Err() != nil || errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// unclosed is a Writer that stays open.
type unclosed struct{ io.Writer }

func (unclosed) Close() error { return nil }

// serveHTTP serves any number of clients until ctx ends.
func serveHTTP(ctx context.Context, env *cmdenv.Env, s *Server, address string) error {
	token := env.Getenv(envToken)
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return exit.Usagef("--http: %w", err)
	}
	if a, ok := listener.Addr().(*net.TCPAddr); token == "" && (!ok || !a.IP.IsLoopback()) {
		return errors.Join(exit.Usagef("--http %s: others could reach it; set %s, or listen on 127.0.0.1", address, envToken), listener.Close())
	}
	server := &http.Server{Handler: s.handler(ctx, token), ReadHeaderTimeout: headerTime}
	_, _ = fmt.Fprintf(env.Err, "leasekit mcp: http://%s/mcp\n", listener.Addr())
	stop := context.AfterFunc(ctx, func() {
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
		defer cancel()
		if server.Shutdown(bounded) != nil {
			_ = server.Close()
		}
	})
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// handler serves /mcp. Each request stands for itself: handles, not sessions,
// say what it is about. A page of another origin is refused, and so is a request
// to this machine under another name.
func (s *Server) handler(ctx context.Context, token string) http.Handler {
	m := s.MCP(ctx)
	var h http.Handler = mcp.NewStreamableHTTPHandler(
		func(*http.Request) *mcp.Server { return m },
		&mcp.StreamableHTTPOptions{Stateless: true})
	h = http.NewCrossOriginProtection().Handler(h)
	if token != "" {
		h = bearer(h, token)
	}
	mux := http.NewServeMux()
	mux.Handle("/mcp", h)
	return mux
}

// bearer lets only requests with the token pass.
func bearer(next http.Handler, token string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok || subtle.ConstantTimeCompare([]byte(sent), []byte(token)) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "the token is missing or wrong", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}
