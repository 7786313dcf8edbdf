package serve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/cmdenv"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/exit"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/open"
	"github.com/leasekit/leasekit/metrics"
	"github.com/leasekit/leasekit/view"
)

// EnvToken may hold the token, where a file is not handy.
const EnvToken = "LEASEKIT_SERVE_TOKEN"

// leastToken is how long a token is at least, in bytes: what is shorter can be
// guessed over a network.
const leastToken = 16

// flags are those of the command.
type flags struct {
	listen, title    string
	tokenFile        string
	certificate, key string
	allow, hosts     []string
}

// Command returns the command that serves the live page, metrics and JSON.
func Command(env *cmdenv.Env) *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use:   "serve [flags]",
		Short: "Serve the live page, its JSON, and metrics for Prometheus",
		Long: `Serve is a web server until it is interrupted: the live page of who holds what and who
waits for whom at /, the same as JSON below /api/, metrics for Prometheus at /metrics,
and /healthz, which says whether the store answers.

It listens on this machine only. To listen elsewhere it needs a token (--token-file, or
LEASEKIT_SERVE_TOKEN) of at least 16 characters: browsers ask for it as a password, for
any user name, which becomes the actor in the history; programs send it as
"Authorization: Bearer TOKEN". Without --tls-cert it crosses the network readable.

Nothing can be changed through it, unless --allow says what.`,
		Example: `  leasekit serve
  leasekit serve --listen :8443 --token-file token --tls-cert cert.pem --tls-key key.pem
  leasekit serve --allow force-release,set-config`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return serve(ctx, env, f)
		},
	}
	set := cmd.Flags()
	set.StringVar(&f.listen, "listen", "127.0.0.1:8270", "ADDRESS:PORT to listen on; port 0 is any that is free")
	set.StringVar(&f.title, "title", "", "heading of the page (default: the store)")
	set.StringVar(&f.tokenFile, "token-file", "", "FILE with the token that every request must bring")
	set.StringVar(&f.certificate, "tls-cert", "", "FILE with the certificate, and those up to its authority")
	set.StringVar(&f.key, "tls-key", "", "FILE with its key")
	set.StringSliceVar(&f.allow, "allow", nil, "what may be changed: force-release, set-config")
	set.StringSliceVar(&f.hosts, "host", nil, "further HOST names that this machine's browsers may use, such as that of a proxy")
	return cmd
}

// serve opens the store and serves it until ctx ends.
func serve(ctx context.Context, env *cmdenv.Env, f flags) error {
	token, err := f.token(env)
	if err != nil {
		return err
	}
	if err := f.check(token); err != nil {
		return err
	}
	location, err := env.Locate()
	if err != nil {
		return err
	}
	metered := metrics.New(nil)
	store, err := location.Open(ctx, &open.OpenOptions{
		Observer: metered.Observer(),
		Warn:     func(problem string) { _, _ = fmt.Fprintln(env.Err, "leasekit: warning:", problem) },
	})
	if err != nil {
		return err
	}
	metered.Follow(store)
	if f.title == "" {
		f.title = open.Redacted(location.URL)
		if location.Namespace != "" {
			f.title += " · " + location.Namespace
		}
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", f.listen)
	if err != nil {
		return errors.Join(&exit.Error{Status: exit.Failed, Code: "listen", Next: "--listen names another address or port", Err: err}, store.Close())
	}
	s := &server{
		manager: store, metered: metered, token: token, title: f.title,
		allow: allowed(f.allow), hosts: hostsOf(f.listen, f.hosts), certificate: f.certificate, key: f.key,
	}
	scheme := "http"
	if f.certificate != "" {
		scheme = "https"
	}
	_, _ = fmt.Fprintf(env.Err, "serving %s at %s://%s/\n", open.Redacted(location.URL), scheme, listener.Addr())
	return errors.Join(s.run(ctx, listener), store.Close())
}

// token returns the token, empty if none is set.
func (f flags) token(env *cmdenv.Env) (string, error) {
	token := env.Getenv(EnvToken)
	if f.tokenFile != "" {
		content, err := os.ReadFile(f.tokenFile)
		if err != nil {
			return "", exit.Usagef("--token-file: %w", err)
		}
		token = strings.TrimSpace(string(content))
		if token == "" {
			return "", exit.Usagef("--token-file: %s is empty", f.tokenFile)
		}
	}
	if token != "" && len(token) < leastToken {
		return "", exit.Usagef("a token of %d characters, at least %d: openssl rand -hex 24 prints a good one", len(token), leastToken)
	}
	return token, nil
}

// check refuses what would serve strangers, or could not serve.
func (f flags) check(token string) error {
	host, _, err := net.SplitHostPort(f.listen)
	switch {
	case err != nil:
		return exit.Usagef("--listen: %w", err)
	case token == "" && !isLoopback(host):
		return exit.Usagef("--listen %s reaches beyond this machine, so it needs a token: --token-file or %s", f.listen, EnvToken)
	case (f.certificate == "") != (f.key == ""):
		return exit.Usagef("--tls-cert and --tls-key go together")
	}
	for _, a := range f.allow {
		if !slices.Contains(allActions, view.Action(a)) {
			return exit.Usagef("--allow %q, want force-release or set-config", a)
		}
	}
	return nil
}

var allActions = []view.Action{view.ForceRelease, view.SetConfig}

func allowed(names []string) map[view.Action]bool {
	set := map[view.Action]bool{}
	for _, n := range names {
		set[view.Action(n)] = true
	}
	return set
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
