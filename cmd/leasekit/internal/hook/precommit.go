package hook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/cmdenv"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/exit"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/hosts"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/open"
	"github.com/leasekit/leasekit/lease"
)

// PrecommitCommand returns the command that git's pre-commit hook runs.
func PrecommitCommand(env *cmdenv.Env) *cobra.Command {
	onError := allowError
	cmd := &cobra.Command{
		Use:   "precommit",
		Short: "Refuse a commit of files that another session holds (run by git, see init)",
		Long: `Precommit refuses a commit that contains files which another session holds: the last
gate for what no hook has seen. "leasekit init git" makes git run it.
"git commit --no-verify" passes it.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if onError != allowError && onError != denyError {
				return exit.Usagef("--on-error %q: want allow or deny", onError)
			}
			text, err := precommit(cmd.Context(), env)
			switch {
			case err != nil && onError == denyError:
				return &exit.Error{Status: exit.Failed, Code: "precommit", Err: fmt.Errorf("the commit could not be checked and is refused: %w", err), Next: "leasekit doctor"}
			case err != nil:
				_, _ = fmt.Fprintf(env.Err, "leasekit: the commit was not checked: %v\nnext: leasekit doctor\n", err)
			case text != "":
				_, _ = fmt.Fprint(env.Err, text)
				return exit.Silently(exit.Failed)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&onError, "on-error", onError, "what happens to a commit that cannot be checked: allow, with a warning, or deny")
	return cmd
}

// precommit returns why the commit must not be made, empty if it may.
func precommit(ctx context.Context, env *cmdenv.Env) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	l, err := env.Locate()
	if err != nil {
		return "", err
	}
	if l.Git == nil {
		return "", errors.New("no git work tree here")
	}
	names, err := staged(ctx, env)
	if err != nil || len(names) == 0 {
		return "", err
	}
	paths := make(map[string]bool)
	for _, name := range names {
		path, err := l.Path(filepath.Join(l.Git.Root, name))
		if errors.Is(err, lease.ErrInvalid) {
			continue
		}
		if err != nil {
			return "", err
		}
		paths[path] = true
	}
	store, err := l.Open(ctx, nil)
	if err != nil {
		return "", err
	}
	defer store.Close()
	return heldByOthers(ctx, store, paths, hosts.HolderFromEnv(env.Getenv))
}

// staged returns the files that the commit changes.
func staged(ctx context.Context, env *cmdenv.Env) ([]string, error) {
	cmd := exec.CommandContext(ctx, "git", "-c", "core.fsmonitor=false", "diff", "--cached", "--name-only", "--no-renames", "--no-ext-diff", "-z")
	cmd.Dir, cmd.Env = env.Dir, env.Environ
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("git diff --cached: %w", err)
	}
	var names []string
	for name := range bytes.SplitSeq(out, []byte{0}) {
		if len(name) > 0 {
			names = append(names, string(name))
		}
	}
	return names, nil
}

// heldByOthers lists which of the paths others than the holder's session hold.
func heldByOthers(ctx context.Context, store *open.Store, paths map[string]bool, mine string) (string, error) {
	session, _, _ := strings.Cut(mine, "/")
	var lines []string
	for l, err := range store.List(ctx, lease.Query{Status: []lease.Status{lease.Active}}) {
		if err != nil {
			return "", err
		}
		if theirs, _, _ := strings.Cut(l.Holder, "/"); mine != "" && theirs == session {
			continue
		}
		for path := range paths {
			if writes(l, path) {
				lines = append(lines, fmt.Sprintf("- %s, held by %s until %s%s\n", shown(path), cut(l.Holder, 120), clock(l.ExpiresAt), task(l)))
			}
		}
	}
	if len(lines) == 0 {
		return "", nil
	}
	slices.Sort(lines)
	const most = 20
	more := ""
	if len(lines) > most {
		more = fmt.Sprintf("- and %d more\n", len(lines)-most)
		lines = lines[:most]
	}
	return "leasekit: this commit contains files that other sessions are writing:\n" + strings.Join(lines, "") + more +
		"Take them out (git restore --staged FILE), or wait until they are free (leasekit run -w 5m FILE -- true).\n", nil
}

func task(l lease.Lease) string {
	if p := l.Labels[labelPrompt]; p != "" {
		return fmt.Sprintf(", task %q", cut(p, 80))
	}
	return ""
}
