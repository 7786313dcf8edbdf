package redistest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/leasekit/leasekit/internal/childproc"
)

const (
	clusterMasters  = 3
	clusterNodes    = 2 * clusterMasters // one replica for each master
	clusterSlots    = 16384
	topologyTimeout = 30 * time.Second
)

// ClusterServers is a Redis Cluster: Nodes[0..2] began as masters, Nodes[3..5] as the replicas of [0..2].
type ClusterServers struct {
	tb    testing.TB
	Nodes []*Server
}

// Cluster starts 3 masters and 3 replicas and waits until all nodes agree and the replicas are in step. A master
// that is silent for a second is replaced.
func Cluster(tb testing.TB) *ClusterServers {
	tb.Helper()
	requireBinary(tb)
	nodes, err := launchAll(tb, clusterNodes, func(int) ([]string, []string) {
		return []string{
			"cluster-enabled yes",
			"cluster-config-file nodes.conf",
			"cluster-node-timeout 1000",
			"repl-diskless-sync-delay 0",
		}, nil
	})
	if err == nil {
		err = joinCluster(nodes)
	}
	if err != nil {
		tb.Fatalf("redistest: cluster: %v", err)
	}
	return &ClusterServers{tb: tb, Nodes: nodes}
}

// launchAll starts several servers at once; config gives the lines and extra arguments of each.
func launchAll(tb testing.TB, count int, config func(int) (lines, mode []string)) ([]*Server, error) {
	servers, failures := make([]*Server, count), make([]error, count)
	var group sync.WaitGroup
	for i := range count {
		dir := tb.TempDir()
		lines, mode := config(i)
		group.Go(func() { servers[i], failures[i] = launch(tb, dir, lines, mode) })
	}
	group.Wait()
	return servers, errors.Join(failures...)
}

func joinCluster(nodes []*Server) error {
	for i, node := range nodes {
		// Distinct epochs from the start spare the nodes the rounds in which they would settle them.
		if _, err := node.do("CLUSTER", "SET-CONFIG-EPOCH", i+1); err != nil {
			return err
		}
	}
	for i := range clusterMasters {
		first, last := i*clusterSlots/clusterMasters, (i+1)*clusterSlots/clusterMasters-1
		if _, err := nodes[i].do("CLUSTER", "ADDSLOTSRANGE", first, last); err != nil {
			return err
		}
	}
	for _, node := range nodes[1:] {
		if _, err := nodes[0].do("CLUSTER", "MEET", "127.0.0.1", node.port, node.bus); err != nil {
			return err
		}
	}
	if err := eachNode(nodes, func(node *Server) error {
		return reports(node, []any{"CLUSTER", "INFO"}, fmt.Sprintf("cluster_known_nodes:%d\r\n", len(nodes)))
	}); err != nil {
		return err
	}
	for i, replica := range nodes[clusterMasters:] {
		id, err := nodes[i].do("CLUSTER", "MYID")
		if err != nil {
			return err
		}
		// The replica must have heard from its master first, so this too may have to be said again.
		if err := childproc.Poll(topologyTimeout, func() error {
			_, err := replica.do("CLUSTER", "REPLICATE", id)
			return err
		}); err != nil {
			return err
		}
	}
	for _, replica := range nodes[clusterMasters:] {
		if err := childproc.Poll(topologyTimeout, func() error { return inStep(replica) }); err != nil {
			return err
		}
	}
	return eachNode(nodes, func(node *Server) error {
		if err := reports(node, []any{"CLUSTER", "INFO"}, "cluster_state:ok\r\n"); err != nil {
			return err
		}
		table, err := node.do("CLUSTER", "NODES")
		if err != nil {
			return err
		}
		if got := strings.Count(fmt.Sprint(table), "slave "); got != len(nodes)-clusterMasters {
			return fmt.Errorf("%s knows %d replicas", node.addr, got)
		}
		return nil
	})
}

func eachNode(nodes []*Server, check func(*Server) error) error {
	for _, node := range nodes {
		if err := childproc.Poll(topologyTimeout, func() error { return check(node) }); err != nil {
			return err
		}
	}
	return nil
}

// reports asks a server one thing and looks for a line in the answer.
func reports(server *Server, question []any, line string) error {
	answer, err := server.do(question...)
	if err != nil {
		return err
	}
	if !strings.Contains(fmt.Sprint(answer), line) {
		return fmt.Errorf("%s: no %q in the answer to %v", server.addr, line, question)
	}
	return nil
}

// inStep says whether a replica has its master's data and a live link to it.
func inStep(replica *Server) error {
	return reports(replica, []any{"INFO", "replication"}, "master_link_status:up\r\n")
}

// Options returns go-redis options that name all nodes, otherwise go-redis' defaults.
func (c *ClusterServers) Options() *redis.ClusterOptions {
	options := &redis.ClusterOptions{}
	for _, node := range c.Nodes {
		options.Addrs = append(options.Addrs, node.addr)
	}
	return options
}

// Client returns a new client with go-redis' default options, closed in the test's Cleanup.
func (c *ClusterServers) Client() *redis.ClusterClient {
	client := redis.NewClusterClient(c.Options())
	c.tb.Cleanup(func() { _ = client.Close() })
	return client
}

// MasterOf returns the node that now serves the key's slot.
func (c *ClusterServers) MasterOf(key string) *Server {
	c.tb.Helper()
	client := redis.NewClusterClient(c.Options())
	defer client.Close()
	master, err := client.MasterForKey(context.Background(), key)
	if err != nil {
		c.tb.Fatalf("redistest: master of %q: %v", key, err)
	}
	for _, node := range c.Nodes {
		if node.addr == master.Options().Addr {
			return node
		}
	}
	c.tb.Fatalf("redistest: unknown node %s", master.Options().Addr)
	return nil
}
