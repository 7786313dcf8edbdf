package cli

import (
	"fmt"
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/cmdenv"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/exit"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/hosts"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/open"
	"github.com/leasekit/leasekit/lease"
)

// The environment variables by which commands hand a lease to each other.
const (
	envID      = "LEASEKIT_ID"
	envToken   = "LEASEKIT_TOKEN"
	envHolder  = "LEASEKIT_HOLDER"
	envExpires = "LEASEKIT_EXPIRES"
)

// nameFlags say how names on the command line become paths.
type nameFlags struct{ raw bool }

func (n *nameFlags) add(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&n.raw, "raw", false, "take PATH as it is, not as a file name")
}

// path turns a name into a path.
func (n nameFlags) path(l open.Location, name string) (string, error) {
	if n.raw {
		return lease.CleanPath(name)
	}
	return l.Path(name)
}

// claimFlags say what is asked for.
type claimFlags struct {
	nameFlags
	shared, exclusive, tree bool
}

func (c *claimFlags) add(cmd *cobra.Command) {
	c.nameFlags.add(cmd)
	f := cmd.Flags()
	f.BoolVarP(&c.shared, "shared", "s", false, "share with others that share")
	f.BoolVarP(&c.exclusive, "exclusive", "x", false, "exclude all others (default)")
	f.BoolVarP(&c.tree, "tree", "t", false, "everything below, too; so does a PATH that ends in /")
	cmd.MarkFlagsMutuallyExclusive("shared", "exclusive")
}

// claims turns the names into claims.
func (c claimFlags) claims(l open.Location, names []string) ([]lease.Claim, error) {
	claims := make([]lease.Claim, 0, len(names))
	for _, name := range names {
		path, err := c.path(l, name)
		if err != nil {
			return nil, err
		}
		claim := lease.Claim{Path: path}
		if c.shared {
			claim.Mode = lease.Shared
		}
		if c.tree || strings.HasSuffix(name, "/") {
			claim.Scope = lease.Tree
		}
		claims = append(claims, claim)
	}
	return claims, nil
}

// requestFlags are those of a request for a lease.
type requestFlags struct {
	claimFlags
	noWait   bool
	wait     time.Duration
	ttl      time.Duration
	priority int
	holder   string
	distinct bool
	labels   []string
	status   int
}

func (r *requestFlags) add(cmd *cobra.Command, ttl time.Duration) {
	r.claimFlags.add(cmd)
	f := cmd.Flags()
	f.BoolVarP(&r.noWait, "no-wait", "n", false, "do not wait in line")
	f.DurationVarP(&r.wait, "wait", "w", 0, "wait in line so long at most (default: without end)")
	f.DurationVar(&r.ttl, "ttl", ttl, "how long the lease lasts unless it is renewed")
	f.IntVar(&r.priority, "priority", 0, "a head start in line, -100 to 100")
	f.StringVar(&r.holder, "holder", "", "who asks (default: LEASEKIT_HOLDER, else a name of its own)")
	f.BoolVar(&r.distinct, "distinct", false, "the holder's own other leases are in the way, too")
	f.StringArrayVar(&r.labels, "label", nil, "free text for people, `key=value`; may be repeated")
	f.IntVarP(&r.status, "conflict-exit-code", "E", exit.NotObtained, "exit status if the lease is not obtained")
	cmd.MarkFlagsMutuallyExclusive("no-wait", "wait")
}

// request builds the request.
func (r requestFlags) request(cmd *cobra.Command, env *cmdenv.Env, l open.Location, names []string) (lease.Request, error) {
	claims, err := r.claims(l, names)
	if err != nil {
		return lease.Request{}, err
	}
	labels, err := parseLabels(r.labels)
	if err != nil {
		return lease.Request{}, err
	}
	if r.status < 0 || r.status > 255 {
		return lease.Request{}, exit.Usagef("-E %d: want 0 to 255", r.status)
	}
	request := lease.Request{
		Holder: holderOr(env, r.holder), Claims: claims, TTL: r.ttl, Priority: r.priority,
		Distinct: r.distinct, Labels: labels, Timeout: lease.NoTimeout,
	}
	if cmd.Flags().Changed("wait") {
		if r.wait <= 0 {
			return lease.Request{}, exit.Usagef("-w %v: want more than 0; -n does not wait", r.wait)
		}
		request.Timeout = r.wait
	}
	if cmd.Flags().Changed("ttl") && r.ttl <= 0 {
		return lease.Request{}, exit.Usagef("--ttl %v: want more than 0", r.ttl)
	}
	return request, nil
}

// parseLabels reads key=value pairs.
func parseLabels(pairs []string) (map[string]string, error) {
	if len(pairs) == 0 {
		return nil, nil
	}
	labels := make(map[string]string, len(pairs))
	for _, p := range pairs {
		key, value, ok := strings.Cut(p, "=")
		if !ok || key == "" {
			return nil, exit.Usagef("--label %q: want key=value", p)
		}
		labels[key] = value
	}
	return labels, nil
}

// holderOr is the holder that was named, by the flag or by the environment (so the
// commands of an agent's session are the session itself), or a
// new one.
func holderOr(env *cmdenv.Env, named string) string {
	if named == "" {
		named = hosts.HolderFromEnv(env.Getenv)
	}
	if named == "" {
		named = lease.NewHolder(userName(env))
	}
	return named
}

// userName is the name of who runs the command.
func userName(env *cmdenv.Env) string {
	for _, key := range []string{"USER", "LOGNAME", "USERNAME"} {
		if name := env.Getenv(key); name != "" {
			return name
		}
	}
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "unknown"
}

// actor is who an operator is: user@host.
func actor(env *cmdenv.Env) string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return userName(env) + "@" + host
}

// needPaths is the check of arguments for commands that take PATHs.
func needPaths(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usage(cmd, "no PATH given")
	}
	return nil
}

// usage is a wrong command line, with where to read what is right.
func usage(cmd *cobra.Command, format string, args ...any) error {
	return &exit.Error{
		Status: exit.Usage, Code: "usage", Next: cmd.CommandPath() + " --help",
		Err: fmt.Errorf(format, args...),
	}
}
