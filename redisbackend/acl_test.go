package redisbackend_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/internal/redistest"
	"github.com/leasekit/leasekit/redisbackend"
)

// setUser returns the command that the package documentation gives, and the rights that it names besides for a Cluster and
// for options: nothing else is needed.
func setUser(t *testing.T) (command, besides []any) {
	source, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	_, section, _ := strings.Cut(string(source), "# Rights")
	section, _, _ = strings.Cut(section, "\npackage ")
	for line := range strings.Lines(section) {
		code, isCode := strings.CutPrefix(line, "//\t")
		for _, word := range strings.Fields(code) {
			if isCode {
				command = append(command, word)
			} else if right := strings.Trim(word, ",.;"); strings.HasPrefix(right, "+") {
				besides = append(besides, right)
			}
		}
	}
	require.Contains(t, command, "+evalsha")
	require.Contains(t, besides, "+wait")
	return command, besides
}

// withDocumentedRights returns a maker of clients of a server on which they have the rights of the documentation.
func withDocumentedRights(t *testing.T) func() redis.UniversalClient {
	server := redistest.Single(t)
	command, _ := setUser(t)
	server.Do(command...)
	return func() redis.UniversalClient {
		options := server.Options()
		options.Username, options.Password = "leases", "secret"
		client := redis.NewClient(options)
		t.Cleanup(func() { _ = client.Close() })
		return client
	}
}

// TestClusterWithDocumentedRights: a Cluster's client and the other options need a few more.
func TestClusterWithDocumentedRights(t *testing.T) {
	t.Parallel()
	cluster := redistest.Cluster(t)
	command, besides := setUser(t)
	for _, node := range cluster.Nodes {
		node.Do(append(command, besides...)...)
	}
	options := cluster.Options()
	options.Username, options.Password = "leases", "secret"
	client := redis.NewClusterClient(options)
	t.Cleanup(func() { _ = client.Close() })
	m := manage(t, client, &redisbackend.Options{
		WaitReplicas: 1, WaitTimeout: 2 * time.Second,
		Warn: func(problem string) { t.Errorf("warned: %s", problem) },
	})
	held, err := m.TryAcquire(t.Context(), request("a", "f"))
	require.NoError(t, err)
	granted := make(chan error, 1)
	go func() {
		_, err := m.Acquire(t.Context(), request("b", "f"))
		granted <- err
	}()
	require.Eventually(t, func() bool {
		stats, err := m.Stats(t.Context())
		return err == nil && stats.Pending == 1
	}, patience, 5*time.Millisecond)
	require.NoError(t, m.Release(t.Context(), held.Ref()))
	require.NoError(t, <-granted)
}
