package agentinit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// gitMark is the line of a pre-commit hook that is ours.
const gitMark = "# leasekit: the lines up to the next mark are kept by \"leasekit init git\""

const gitEnd = "# leasekit: end"

// ConfigureGit returns the change that puts our check into a work tree's
// pre-commit hook, before what is there.
func ConfigureGit(ctx context.Context, dir string, s Setup, remove bool) (Change, error) {
	c := Change{Mode: 0o755}
	file, err := gitHooks(ctx, dir)
	if err != nil {
		return c, err
	}
	c.File = filepath.Join(file, "pre-commit")
	before, err := os.ReadFile(c.File)
	switch {
	case err == nil:
		c.Before = before
	case !errors.Is(err, fs.ErrNotExist):
		return c, err
	}
	rest, err := withoutOurs(string(before))
	if err != nil {
		return c, fmt.Errorf("%s: %w", c.File, err)
	}
	if remove {
		if body := strings.TrimSpace(rest); body != "" && body != "#!/bin/sh" {
			c.After = []byte(rest)
		}
		return c, nil
	}
	first, body, _ := strings.Cut(rest, "\n")
	switch {
	case strings.TrimSpace(rest) == "":
		first, body = "#!/bin/sh", ""
	case !strings.HasPrefix(first, "#!"):
		first, body = "#!/bin/sh", rest
	case !strings.Contains(first, "sh"):
		return c, fmt.Errorf("%s is no shell script (%s): call \"%s precommit\" from it yourself", c.File, first, s.Program)
	}
	c.After = []byte(first + "\n" + gitMark + "\n" + quote(s.Program) + " precommit" + s.gitOnError() + " || exit 1\n" + gitEnd + "\n" + body)
	c.Notes = []string{"Gemini CLI switches hooks off in the shells that it starts: its commits pass this gate. The claims of its own hook still hold."}
	return c, nil
}

func (s Setup) gitOnError() string {
	if s.OnError == "" {
		return ""
	}
	return " --on-error " + s.OnError
}

// gitHooks asks git where a work tree's hooks are: a configuration may have
// moved them.
func gitHooks(ctx context.Context, dir string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", "rev-parse", "--git-path", "hooks")
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("no git work tree here: git rev-parse: %w", err)
	}
	name := strings.TrimRight(string(out), "\n")
	if !filepath.IsAbs(name) {
		name = filepath.Join(dir, name)
	}
	return name, nil
}

// withoutOurs takes our lines out of a script.
func withoutOurs(script string) (string, error) {
	before, rest, ok := strings.Cut(script, gitMark+"\n")
	if !ok {
		return script, nil
	}
	_, after, ok := strings.Cut(rest, gitEnd+"\n")
	if !ok {
		return "", fmt.Errorf("the line %q is missing: mend or remove the file", gitEnd)
	}
	return before + after, nil
}
