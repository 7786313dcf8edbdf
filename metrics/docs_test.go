package metrics_test

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/metrics"
)

var (
	fqName = regexp.MustCompile(`fqName: "([^"]+)"`)
	named  = regexp.MustCompile(`\bleasekit_[a-z_]+`)
	alert  = regexp.MustCompile(`(?m)alert: (\w+)$`)
	suffix = regexp.MustCompile(`_(bucket|count|sum)$`)
)

// The page, the dashboard and the rules name the metrics that there are, and the
// page all of them, and all alerts.
func TestDocumented(t *testing.T) {
	described := make(chan *prometheus.Desc)
	go func() {
		metrics.New(nil).Describe(described)
		close(described)
	}()
	var all []string
	for d := range described {
		all = append(all, fqName.FindStringSubmatch(d.String())[1])
	}
	slices.Sort(all)
	all = slices.Compact(all)
	read := func(name string) string {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		return string(text)
	}
	const page = "../docs/metrics.md"
	documented := regexp.MustCompile("(?m)^\\| `(leasekit_[a-z_]+)` ").FindAllStringSubmatch(read(page), -1)
	names := make([]string, len(documented))
	for i, d := range documented {
		names[i] = d[1]
	}
	slices.Sort(names)
	require.Equal(t, all, names)
	for _, file := range []string{"grafana/leasekit.json", "prometheus/leasekit.rules.yml", "prometheus/leasekit.rules.test.yml"} {
		for _, name := range named.FindAllString(read(file), -1) {
			require.Contains(t, all, suffix.ReplaceAllString(name, ""), file)
		}
	}
	for _, rule := range alert.FindAllStringSubmatch(read("prometheus/leasekit.rules.yml"), -1) {
		require.Contains(t, read(page), "| `"+rule[1]+"` |")
		require.Contains(t, read("prometheus/leasekit.rules.test.yml"), rule[1])
	}
}
