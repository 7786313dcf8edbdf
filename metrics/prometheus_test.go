//go:build linux

package metrics_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const installPrometheus = "install Prometheus: apt-get install prometheus"

// program returns a command that ends with the test, and with this process.
func program(t *testing.T, name string, args ...string) *exec.Cmd {
	path, err := exec.LookPath(name)
	require.NoError(t, err, installPrometheus)
	command := exec.CommandContext(t.Context(), path, args...)
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return command
}

func TestRules(t *testing.T) {
	for _, args := range [][]string{
		{"check", "rules", "leasekit.rules.yml"}, {"test", "rules", "leasekit.rules.test.yml"},
	} {
		command := program(t, "promtool", args...)
		command.Dir = "prometheus"
		out, err := command.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
}

// Every query of the dashboard and of the rules runs on a real Prometheus that
// scrapes a real program under load, and finds something.
func TestEveryQueryFindsSomething(t *testing.T) {
	p := startPrometheus(t, startLoad(t))
	queries := p.dashboardQueries(t)
	for _, rule := range p.rules(t) {
		if rule.Type == "recording" {
			queries[rule.Name] = rule.Name
		}
	}
	require.Greater(t, len(queries), 55)

	// None of it may take longer than the service levels of a slow machine.
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		for name, query := range queries {
			require.NotEmpty(c, p.query(c, query), "%s: %s", name, query)
		}
	}, 2*time.Minute, time.Second)

	require.EventuallyWithT(t, func(c *assert.CollectT) {
		state := map[string]string{}
		for _, rule := range p.rules(c) {
			require.Equal(c, "ok", rule.Health, "%s: %s", rule.Name, rule.LastError)
			state[rule.Name] = rule.State
		}
		for _, alert := range []string{
			"LeasekitAcquireTimeouts", "LeasekitDeadlocks", "LeasekitLeasesLost", "LeasekitStoreErrors", "LeasekitRenewalsLate",
		} {
			require.Contains(c, []string{"pending", "firing"}, state[alert], alert)
		}
		for _, alert := range []string{"LeasekitStoreOutOfReach", "LeasekitTokensRegressed", "LeasekitWaiterOld"} {
			require.Equal(c, "inactive", state[alert], alert)
		}
	}, time.Minute, time.Second)
}

// startLoad runs this binary as the program under load, and returns its address.
func startLoad(t *testing.T) string {
	command := program(t, os.Args[0])
	command.Env = append(os.Environ(), loadProgram+"=1")
	command.Stderr = os.Stderr
	_, err := command.StdinPipe() // open until the command ends
	require.NoError(t, err)
	out, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	t.Cleanup(func() { _ = command.Wait() })
	address, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSpace(address)
}

// server is a running Prometheus.
type server struct{ address string }

func startPrometheus(t *testing.T, target string) server {
	dir := t.TempDir()
	rules, err := filepath.Abs("prometheus/leasekit.rules.yml")
	require.NoError(t, err)
	config := filepath.Join(dir, "prometheus.yml")
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, `
global: {scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 500ms}
rule_files: [%q]
scrape_configs: [{job_name: load, static_configs: [{targets: [%q]}]}]
`, rules, target), 0o600))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := server{address: listener.Addr().String()}
	require.NoError(t, listener.Close())
	command := program(t, "prometheus", "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+s.address, "--log.level=warn")
	var log strings.Builder
	command.Stderr = &log
	require.NoError(t, command.Start())
	t.Cleanup(func() {
		_ = command.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		reply, err := http.Get("http://" + s.address + "/-/ready")
		require.NoError(c, err)
		defer func() { _ = reply.Body.Close() }()
		require.Equal(c, http.StatusOK, reply.StatusCode)
	}, time.Minute, 100*time.Millisecond)
	return s
}

// get reads one page of the API.
func (s server) get(t require.TestingT, path string, values url.Values, data any) {
	reply, err := http.Get("http://" + s.address + "/api/v1/" + path + "?" + values.Encode())
	require.NoError(t, err)
	defer func() { _ = reply.Body.Close() }()
	answer := struct {
		Status, Error string
		Data          any
	}{Data: data}
	require.NoError(t, json.NewDecoder(reply.Body).Decode(&answer))
	require.Equal(t, "success", answer.Status, "%s: %s", values.Encode(), answer.Error)
}

func (s server) query(t require.TestingT, query string) []any {
	if values := labelValues.FindStringSubmatch(query); values != nil {
		var names []any
		s.get(t, "label/"+values[2]+"/values", url.Values{"match[]": {values[1]}}, &names)
		return names
	}
	var data struct{ Result []any }
	s.get(t, "query", url.Values{"query": {query}}, &data)
	return data.Result
}

// labelValues is Grafana's query for the values of a label.
var labelValues = regexp.MustCompile(`^label_values\((.*), (\w+)\)$`)

type rule struct{ Name, Type, State, Health, LastError string }

func (s server) rules(t require.TestingT) []rule {
	var data struct{ Groups []struct{ Rules []rule } }
	s.get(t, "rules", nil, &data)
	var all []rule
	for _, group := range data.Groups {
		all = append(all, group.Rules...)
	}
	require.NotEmpty(t, all)
	return all
}

// dashboardQueries returns the dashboard's queries by name, with its variables
// filled in as Grafana does.
func (s server) dashboardQueries(t *testing.T) map[string]string {
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr, RefID string }
		}
		Templating struct {
			List []struct{ Name, Type, Definition string }
		}
	}
	text, err := os.ReadFile("grafana/leasekit.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &dashboard))
	fill := strings.NewReplacer("$__rate_interval", "10s", "$job", ".*", "$instance", ".*")
	queries := map[string]string{}
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			queries[panel.Title+" "+target.RefID] = fill.Replace(target.Expr)
		}
	}
	for _, variable := range dashboard.Templating.List {
		if variable.Type == "query" {
			queries["$"+variable.Name] = fill.Replace(variable.Definition)
		}
	}
	return queries
}
