package agentinit

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/cmdenv"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/exit"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/hosts"
)

const gitName = "git"

// names are what "leasekit init" sets up.
func names() []string {
	var all []string
	for _, h := range hosts.All() {
		all = append(all, string(h))
	}
	return append(all, gitName)
}

// InitCommand returns the command that sets up a host.
func InitCommand(env *cmdenv.Env) *cobra.Command {
	var dryRun, remove, project bool
	var onError, program string
	cmd := &cobra.Command{
		Use:       "init [flags] " + strings.Join(names(), "|"),
		Short:     "Make a coding agent, or git, ask leasekit before it writes",
		ValidArgs: names(),
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		Long: `Init writes the configuration that makes a coding agent's client run "leasekit hook",
or git run "leasekit precommit". What is in the file stays. --dry-run shows the file as it
would be, --remove takes out again what init has put in.

It is the user's own configuration, which holds for all trees, unless --project is
given: then it goes into this work tree, for everybody who works in it.`,
		Example: `  leasekit init claude
  leasekit init codex --dry-run
  leasekit init git
  leasekit init claude --remove`,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := setup(env, project || args[0] == string(hosts.VSCode), program, onError)
			if err != nil {
				return err
			}
			var c Change
			if args[0] == gitName {
				c, err = ConfigureGit(cmd.Context(), env.Dir, s, remove)
			} else {
				c, err = Configure(hosts.Host(args[0]), s, remove)
			}
			if err != nil {
				return err
			}
			return report(env, c, dryRun)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&dryRun, "dry-run", false, "only show the file as it would be")
	f.BoolVar(&remove, "remove", false, "take out what init has put in")
	f.BoolVar(&project, "project", false, "write into this work tree instead of the user's own configuration")
	f.StringVar(&onError, "on-error", "", "deny: refuse what cannot be checked, also if leasekit is missing; allow: let it pass with a warning (default)")
	f.StringVar(&program, "program", "", "how the client starts leasekit (default: this program; with --project: leasekit)")
	return cmd
}

// setup finds out where configuration goes.
func setup(env *cmdenv.Env, project bool, program, onError string) (Setup, error) {
	s := Setup{Program: program, OnError: onError, Getenv: env.Getenv, Home: env.Getenv("HOME")}
	if s.Home == "" {
		s.Home, _ = os.UserHomeDir()
	}
	switch {
	case onError != "" && onError != "allow" && onError != "deny":
		return s, exit.Usagef("--on-error %q: want allow or deny", onError)
	case project:
		l, err := env.Locate()
		if err != nil {
			return s, err
		}
		if l.Git == nil {
			return s, errors.New("no git work tree here to write into")
		}
		s.Project = l.Git.Root
	case !filepath.IsAbs(s.Home):
		return s, errors.New("no home directory: set HOME, or use --project")
	}
	if s.Program == "" {
		s.Program = ownProgram(s.Project != "")
		s.Hook = hookBeside(s.Program)
	}
	return s, nil
}

// ownProgram is how a client starts us: by the program's place, unless others
// are to use the same configuration or "go run" has built it for this once.
func ownProgram(shared bool) string {
	self, err := os.Executable()
	if shared || err != nil || strings.Contains(filepath.ToSlash(self), "/go-build") || !strings.HasPrefix(filepath.Base(self), "leasekit") {
		return "leasekit"
	}
	return self
}

// hookBeside returns the program leasekit-hook in the folder of a program; empty
// if there is none.
func hookBeside(program string) string {
	if !filepath.IsAbs(program) {
		return ""
	}
	found, err := exec.LookPath(filepath.Join(filepath.Dir(program), "leasekit-hook"+filepath.Ext(program)))
	if err != nil {
		return ""
	}
	return found
}

// report writes a change, or shows it.
func report(env *cmdenv.Env, c Change, dryRun bool) error {
	switch {
	case c.Same():
		_, _ = fmt.Fprintf(env.Out, "%s: nothing to do\n", c.File)
	case dryRun && c.After == nil:
		_, _ = fmt.Fprintf(env.Out, "%s: would be removed\n", c.File)
	case dryRun:
		_, _ = fmt.Fprintf(env.Err, "%s would be:\n", c.File)
		_, _ = env.Out.Write(c.After)
	default:
		if err := c.Apply(); err != nil {
			return err
		}
		verb := "written"
		if c.After == nil {
			verb = "removed"
		}
		_, _ = fmt.Fprintf(env.Out, "%s: %s\n", c.File, verb)
	}
	for _, note := range c.Notes {
		_, _ = fmt.Fprintf(env.Err, "note: %s\n", note)
	}
	return nil
}
