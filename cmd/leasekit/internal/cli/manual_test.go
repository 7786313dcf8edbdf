package cli_test

import (
	_ "embed"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/cli"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/cmdenv"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/manual"
)

var update = flag.Bool("update", false, "write docs/cli.md anew")

//go:embed testdata/cli.md
var intro string

func TestManualIsUpToDate(t *testing.T) {
	page := filepath.Join("..", "..", "..", "..", "docs", "cli.md")
	want := manual.Markdown(cli.New(new(cmdenv.Env)), intro)
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(page), 0o755))
		require.NoError(t, os.WriteFile(page, []byte(want), 0o644))
	}
	got, err := os.ReadFile(page)
	require.NoError(t, err)
	require.Equal(t, want, string(got), "the commands have changed: go test ./internal/cli -run Manual -update")
}

func TestEveryCommandSaysWhatItDoes(t *testing.T) {
	var each func(c *cobra.Command)
	each = func(c *cobra.Command) {
		require.NotEmpty(t, c.Short, c.CommandPath())
		require.NotEqual(t, ".", c.Short[len(c.Short)-1:], c.CommandPath())
		for line := range strings.SplitSeq(c.Long, "\n") {
			require.LessOrEqual(t, len(line), 90, "%s: %q", c.CommandPath(), line)
		}
		for _, sub := range c.Commands() {
			each(sub)
		}
	}
	each(cli.New(new(cmdenv.Env)))
}

func TestManPage(t *testing.T) {
	tr := newTree(t)
	page := tr.ok("man")
	require.Contains(t, page, ".TH LEASEKIT 1")
	require.Contains(t, page, `\-\-hold\-at\-least`)
	if man, err := exec.LookPath("man"); err == nil {
		c := exec.Command(man, "--warnings", "-l", "-")
		c.Stdin = strings.NewReader(page)
		out, err := c.CombinedOutput()
		require.NoError(t, err, string(out))
	}
}

func TestCompletions(t *testing.T) {
	t.Parallel()
	tr := newTree(t)
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		require.Contains(t, tr.ok("completion", shell), "leasekit", shell)
	}
	require.Contains(t, tr.ok("__complete", "history", "--kind", "gr"), "granted")
	require.Contains(t, tr.ok("__complete", "ls", "-o", ""), "jsonl")
	tr.ok("run", "--ttl", "1m", "--hold-at-least", "1m", "held", "--", "true")
	require.Contains(t, tr.ok("__complete", "get", ""), "held")
	require.Contains(t, tr.ok("__complete", "config", "get", "default"), "default_ttl")
}
