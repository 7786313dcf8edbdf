package mcpserver_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/cli"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/cmdenv"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/stores"
)

// asCommand, in the environment, makes the test binary the command leasekit.
const asCommand = "LEASEKIT_MCP_TEST"

func main(m *testing.M) int {
	if os.Getenv(asCommand) != "" {
		return cli.Main(context.Background(), cmdenv.Process(stores.All), os.Args[1:])
	}
	return m.Run()
}

// command returns `leasekit mcp` in a folder, with nothing of this process's
// environment that could name a store or a session.
func command(t *testing.T, dir string, env []string, args ...string) *exec.Cmd {
	c := exec.CommandContext(t.Context(), os.Args[0], append([]string{"mcp"}, args...)...)
	c.Dir = dir
	c.Env = append([]string{asCommand + "=1", "HOME=" + dir, "PATH=" + os.Getenv("PATH"), "GORACE=" + os.Getenv("GORACE"), "LEASEKIT_STORE=leases.db"}, env...)
	c.Stderr = os.Stderr
	return c
}

func newClient() *mcp.Client {
	return mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
}

// A real process on standard input and output: two sessions of two hosts.
func TestStdio(t *testing.T) {
	dir := t.TempDir()
	start := func(env ...string) client {
		session, err := newClient().Connect(t.Context(), &mcp.CommandTransport{Command: command(t, dir, env)}, nil)
		require.NoError(t, err)
		t.Cleanup(func() { _ = session.Close() })
		return client{session, t}
	}
	claude, codex := start("CLAUDE_CODE_SESSION_ID=5ec474dc"), start("CODEX_SESSION_ID=0199")
	got := claude.ask("claim_paths", args{"paths": []string{"a.go"}})
	require.True(t, got.Granted)
	require.Equal(t, "claude:5ec474dc", got.Holder)
	refused := codex.ask("claim_paths", args{"paths": []string{dir + "/a.go"}})
	require.False(t, refused.Granted)
	require.Equal(t, "codex:0199", refused.Holder)

	// The same session in another process is the same holder.
	again := start("CLAUDE_CODE_SESSION_ID=5ec474dc")
	require.True(t, again.ask("claim_paths", args{"paths": []string{"a.go"}}).Granted)

	require.NoError(t, claude.Close())
	require.False(t, codex.ask("wait_turn", args{"handle": refused.Handle, "wait_seconds": 1}).Granted)
}

// startHTTP starts the command and returns the URL that it serves.
func startHTTP(t *testing.T, dir string, env ...string) string {
	c := command(t, dir, env, "--http", "127.0.0.1:0")
	c.Stderr = nil
	words, err := c.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	t.Cleanup(func() { _ = c.Wait() })
	line, err := bufio.NewReader(words).ReadString('\n')
	require.NoError(t, err, line)
	_, url, ok := strings.Cut(strings.TrimSpace(line), "leasekit mcp: ")
	require.True(t, ok, line)
	return url
}

func TestHTTP(t *testing.T) {
	url := startHTTP(t, t.TempDir())
	dial := func(holder string) client {
		session, err := newClient().Connect(t.Context(), &mcp.StreamableClientTransport{
			Endpoint: url, HTTPClient: &http.Client{Transport: named{holder}},
		}, nil)
		require.NoError(t, err)
		t.Cleanup(func() { _ = session.Close() })
		return client{session, t}
	}
	one, two := dial("one"), dial("two")
	got := one.ask("claim_paths", args{"paths": []string{"a"}})
	require.True(t, got.Granted)
	require.Equal(t, "one", got.Holder)
	refused := two.ask("claim_paths", args{"paths": []string{"a"}})
	require.False(t, refused.Granted)
	done := make(chan answer)
	go func() { done <- two.ask("wait_turn", args{"handle": refused.Handle, "wait_seconds": 30}) }()
	one.ask("release_paths", args{"handles": []string{got.Handle}})
	require.True(t, (<-done).Granted)
	list, err := one.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: "leasekit://leases"})
	require.NoError(t, err)
	require.Contains(t, list.Contents[0].Text, `"holder":"two"`)
}

// named sends the header that names the holder.
type named struct{ holder string }

func (n named) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Leasekit-Holder", n.holder)
	return http.DefaultTransport.RoundTrip(r)
}

// Pages of other origins, other names for this machine, and clients without the
// token get nothing.
func TestHTTPIsGuarded(t *testing.T) {
	post := func(url string, change func(*http.Request)) int {
		body := `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}`
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", "application/json, text/event-stream")
		change(r)
		reply, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		defer func() { _ = reply.Body.Close() }()
		_, _ = io.Copy(io.Discard, reply.Body)
		return reply.StatusCode
	}
	plain := func(*http.Request) {}
	open := startHTTP(t, t.TempDir())
	require.Equal(t, http.StatusOK, post(open, plain))
	require.Equal(t, http.StatusForbidden, post(open, func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }))
	require.Equal(t, http.StatusForbidden, post(open, func(r *http.Request) { r.Host = "evil.example" }))

	guarded := startHTTP(t, t.TempDir(), "LEASEKIT_MCP_TOKEN=open-sesame")
	require.Equal(t, http.StatusUnauthorized, post(guarded, plain))
	require.Equal(t, http.StatusUnauthorized, post(guarded, func(r *http.Request) { r.Header.Set("Authorization", "Bearer open") }))
	require.Equal(t, http.StatusOK, post(guarded, func(r *http.Request) { r.Header.Set("Authorization", "Bearer open-sesame") }))

	c := command(t, t.TempDir(), nil, "--http", "0.0.0.0:0")
	c.Stderr = nil
	words, err := c.CombinedOutput()
	require.Error(t, err)
	require.Equal(t, 64, c.ProcessState.ExitCode())
	require.Contains(t, string(words), "LEASEKIT_MCP_TOKEN")
}
