package serve

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/cmdenv"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/exit"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/metrics"
	"github.com/leasekit/leasekit/view"
)

const secret = "0123456789abcdef-secret"

// running is a command that serves.
type running struct {
	url  string
	stop context.CancelFunc
	done chan error
}

// start runs the command with these arguments, over a store of its own.
func start(t *testing.T, env *cmdenv.Env, args ...string) *running {
	t.Helper()
	read, write := io.Pipe()
	env.Err, env.Out, env.Dir = write, io.Discard, t.TempDir()
	if env.Store == "" {
		env.Store = filepath.Join(env.Dir, "leases.db")
	}
	ctx, stop := context.WithCancel(t.Context())
	r := &running{stop: stop, done: make(chan error, 1)}
	cmd := Command(env)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	go func() {
		r.done <- cmd.ExecuteContext(ctx)
		write.Close()
	}()
	t.Cleanup(stop)
	for scanner := bufio.NewScanner(read); scanner.Scan(); {
		if _, url, ok := strings.Cut(scanner.Text(), " at "); ok {
			r.url = url
			go io.Copy(io.Discard, read) //nolint:errcheck // it ends with the command
			return r
		}
	}
	t.Fatal(<-r.done)
	return nil
}

func (r *running) end(t *testing.T) {
	t.Helper()
	r.stop()
	select {
	case err := <-r.done:
		require.NoError(t, err)
	case <-time.After(30 * time.Second):
		t.Fatal("it does not end")
	}
}

func get(t *testing.T, client *http.Client, url string, change ...func(*http.Request)) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	for _, c := range change {
		c(request)
	}
	response, err := client.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(body)
}

func TestServe(t *testing.T) {
	r := start(t, new(cmdenv.Env), "--listen", "127.0.0.1:0", "--title", "Of this test")
	status, body := get(t, http.DefaultClient, r.url)
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, body, "Of this test")
	status, body = get(t, http.DefaultClient, r.url+"healthz")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "ok\n", body)
	status, body = get(t, http.DefaultClient, r.url+"metrics")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, body, "leasekit_namespace_")
	status, body = get(t, http.DefaultClient, r.url+"api/now")
	require.Equal(t, http.StatusOK, status)
	require.True(t, json.Valid([]byte(body)))
	status, _ = get(t, http.DefaultClient, r.url+"api/now", func(r *http.Request) { r.Host = "evil.example" })
	require.Equal(t, http.StatusMisdirectedRequest, status, "DNS rebinding")

	// An open stream does not keep it from ending.
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+"api/stream", http.NoBody)
	require.NoError(t, err)
	stream, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer stream.Body.Close()
	_, err = bufio.NewReader(stream.Body).ReadString('\n')
	require.NoError(t, err)
	began := time.Now()
	r.end(t)
	require.Less(t, time.Since(began), shutdownTime, "gracefully")
}

func TestCommandLine(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	for name, args := range map[string][]string{
		"beyond this machine without a token": {"--listen", "0.0.0.0:0"},
		"every address without a token":       {"--listen", ":0"},
		"a name without a token":              {"--listen", "host.example:0"},
		"no port":                             {"--listen", "127.0.0.1"},
		"a short token":                       {"--listen", ":0", "--token-file", file("short", "1234")},
		"an empty token":                      {"--listen", "127.0.0.1:0", "--token-file", file("empty", "\n")},
		"no token file":                       {"--listen", ":0", "--token-file", filepath.Join(dir, "none")},
		"half of TLS":                         {"--tls-cert", "cert.pem"},
		"an unknown action":                   {"--allow", "everything"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := Command(&cmdenv.Env{Err: io.Discard, Out: io.Discard, Dir: t.TempDir(), Store: filepath.Join(t.TempDir(), "x.db")})
			cmd.SilenceErrors, cmd.SilenceUsage = true, true
			cmd.SetArgs(args)
			require.Equal(t, exit.Usage, exit.Of(cmd.ExecuteContext(t.Context())).Status)
		})
	}

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	cmd := Command(&cmdenv.Env{Err: io.Discard, Out: io.Discard, Dir: t.TempDir(), Store: filepath.Join(t.TempDir(), "x.db")})
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs([]string{"--listen", taken.Addr().String()})
	require.Equal(t, "listen", exit.Of(cmd.ExecuteContext(t.Context())).Code)
}

func TestToken(t *testing.T) {
	env := &cmdenv.Env{Environ: []string{EnvToken + "=" + secret}}
	r := start(t, env, "--listen", "0.0.0.0:0")
	_, port, err := net.SplitHostPort(strings.TrimSuffix(strings.TrimPrefix(r.url, "http://"), "/"))
	require.NoError(t, err)
	url := "http://127.0.0.1:" + port + "/"
	set := func(value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", value) }
	}
	basic := func(user, password string) func(*http.Request) {
		return func(r *http.Request) { r.SetBasicAuth(user, password) }
	}
	for _, path := range []string{"", "api/now", "api/stream", "metrics", "page/js/app.js"} {
		for _, wrong := range []func(*http.Request){
			func(*http.Request) {}, set("Bearer"), set("Bearer wrong"), set("Bearer "), set(secret), set("Token " + secret), set("Basic !"),
			basic("olga", ""), basic(secret, "x"), basic("olga", secret+"x"),
		} {
			status, body := get(t, http.DefaultClient, url+path, wrong)
			require.Equal(t, http.StatusUnauthorized, status, path)
			require.NotContains(t, body, secret)
		}
	}
	for _, right := range []func(*http.Request){set("Bearer " + secret), set("bearer " + secret), basic("olga", secret), basic("", secret)} {
		status, _ := get(t, http.DefaultClient, url+"api/now", right)
		require.Equal(t, http.StatusOK, status)
	}
	status, _ := get(t, http.DefaultClient, url+"healthz")
	require.Equal(t, http.StatusOK, status, "what a load balancer asks")
	r.end(t)
}

func TestTLS(t *testing.T) {
	// A certificate for 127.0.0.1 that the standard library has for tests.
	pair := httptest.NewUnstartedServer(http.NotFoundHandler())
	pair.StartTLS()
	defer pair.Close()
	dir := t.TempDir()
	certificate, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writePair(t, pair.TLS.Certificates[0], certificate, key)
	r := start(t, new(cmdenv.Env), "--listen", "127.0.0.1:0", "--tls-cert", certificate, "--tls-key", key)
	require.True(t, strings.HasPrefix(r.url, "https://"))
	pool := x509.NewCertPool()
	pool.AddCert(pair.Certificate())
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true}}
	status, _ := get(t, client, r.url+"api/now")
	require.Equal(t, http.StatusOK, status)
	r.end(t)
}

func TestActions(t *testing.T) {
	m := memory.New(nil)
	defer m.Close()
	l, err := m.TryAcquire(t.Context(), lease.Request{Holder: "ann", Claims: lease.Paths("a"), TTL: time.Minute})
	require.NoError(t, err)
	end := func(allow ...string) int {
		s := &server{manager: m, metered: metrics.New(nil), token: secret, allow: allowed(allow)}
		h, err := s.handler(t.Context())
		require.NoError(t, err)
		r := httptest.NewRequest(http.MethodPost, "/api/force-release", strings.NewReader(`{"leases":[{"id":"`+string(l.ID)+`","holder":"ann"}],"reason":"test"}`))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		r.SetBasicAuth("olga", secret)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	require.Equal(t, http.StatusForbidden, end())
	require.Equal(t, http.StatusForbidden, end(string(view.SetConfig)))
	require.Equal(t, http.StatusOK, end(string(view.ForceRelease)))
	_, err = m.Renew(t.Context(), l.Ref(), 0)
	var lost *lease.LostError
	require.ErrorAs(t, err, &lost)
	require.Equal(t, "olga (leasekit serve, from 192.0.2.1)", lost.Actor)
}

func TestHealthOfAStoreThatIsAway(t *testing.T) {
	m := memory.New(nil)
	require.NoError(t, m.Close())
	w := httptest.NewRecorder()
	(&health{manager: m}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/healthz", http.NoBody))
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
}
