package redisbackend_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/internal/redistest"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/redisbackend"
)

// A master that is killed costs errors while nobody serves its slots, and while its successor has no replica, since
// the callers ask for one; then it goes on. No grant that anybody was told of is lost.
func TestClusterMasterKilled(t *testing.T) {
	t.Parallel()
	cluster := redistest.Cluster(t)
	o := &redisbackend.Options{Namespace: "killed", WaitReplicas: 1}
	all := start(t, []lease.Manager{manage(t, cluster.Client(), o), manage(t, cluster.Client(), o)}, lease.ErrExpired)
	all.flows("before")
	require.Zero(t, all.count(lease.ErrUnavailable))

	master := cluster.MasterOf("leasekit:{killed}:state")
	replica := cluster.Nodes[len(cluster.Nodes)/2+slices.Index(cluster.Nodes, master)]
	master.Kill()
	require.Eventually(t, func() bool { return role(replica) == "master" }, patience, 10*time.Millisecond)
	master.Restart(redistest.KeepData) // now it is the replica
	all.flows("after the failover")
	require.Zero(t, all.finish())
}

// role is what a server takes itself for: "master" or "slave".
func role(server *redistest.Server) string {
	answer, _ := server.Do("ROLE").([]any)
	return fmt.Sprint(answer[0])
}
