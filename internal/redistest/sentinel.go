package redistest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/leasekit/leasekit/internal/childproc"
)

// MasterName is the name by which the Sentinels of this package know their master.
const MasterName = "leasekit"

// SentinelServers is a master with two replicas, watched by three Sentinels: Data[0] began as the master.
type SentinelServers struct {
	tb        testing.TB
	Data      []*Server
	Sentinels []*Server
}

// Sentinel starts 1 master, 2 replicas and 3 Sentinels and waits until the replicas are in step and the Sentinels
// know each other. A master that is silent for half a second is replaced.
func Sentinel(tb testing.TB) *SentinelServers {
	tb.Helper()
	requireBinary(tb)
	set := &SentinelServers{tb: tb}
	if err := set.start(); err != nil {
		tb.Fatalf("redistest: sentinel: %v", err)
	}
	return set
}

func (s *SentinelServers) start() (err error) {
	if s.Data, err = launchAll(s.tb, 3, func(int) (lines, mode []string) {
		return []string{"repl-diskless-sync-delay 0"}, nil
	}); err != nil {
		return err
	}
	master := s.Data[0]
	for _, replica := range s.Data[1:] {
		if _, err := replica.do("REPLICAOF", "127.0.0.1", master.port); err != nil {
			return err
		}
	}
	if err := eachNode(s.Data[1:], inStep); err != nil {
		return err
	}
	if s.Sentinels, err = launchAll(s.tb, 3, func(int) (lines, mode []string) {
		return []string{
			fmt.Sprintf("sentinel monitor %s 127.0.0.1 %d 2", MasterName, master.port),
			fmt.Sprintf("sentinel down-after-milliseconds %s 500", MasterName),
			fmt.Sprintf("sentinel failover-timeout %s 3000", MasterName),
			fmt.Sprintf("sentinel parallel-syncs %s 2", MasterName),
		}, []string{"--sentinel"}
	}); err != nil {
		return err
	}
	return eachNode(s.Sentinels, func(sentinel *Server) error {
		return reports(sentinel, []any{"INFO", "sentinel"}, "status=ok,address="+master.addr+",slaves=2,sentinels=3")
	})
}

// Options returns go-redis options that name the Sentinels, otherwise go-redis' defaults.
func (s *SentinelServers) Options() *redis.FailoverOptions {
	options := &redis.FailoverOptions{MasterName: MasterName}
	for _, sentinel := range s.Sentinels {
		options.SentinelAddrs = append(options.SentinelAddrs, sentinel.addr)
	}
	return options
}

// Client returns a new client that follows the master, with go-redis' default options, closed in the test's Cleanup.
func (s *SentinelServers) Client() *redis.Client {
	client := redis.NewFailoverClient(s.Options())
	s.tb.Cleanup(func() { _ = client.Close() })
	return client
}

// Master returns the server that all running Sentinels hold for the master, once they agree on one that runs: just
// after a Kill they still name the dead one, and after a failover not all of them hear of it at once.
func (s *SentinelServers) Master() *Server {
	s.tb.Helper()
	var master *Server
	err := childproc.Poll(topologyTimeout, func() error {
		master = nil
		for _, sentinel := range s.Sentinels {
			if !sentinel.Running() {
				continue
			}
			answer, err := sentinel.do("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MasterName)
			if err != nil {
				return err
			}
			named := s.byAddress(answer)
			if named == nil || !named.Running() || master != nil && named != master {
				return fmt.Errorf("%s names %v", sentinel.addr, answer)
			}
			master = named
		}
		if master == nil {
			return errors.New("no Sentinel runs")
		}
		return reports(master, []any{"INFO", "replication"}, "role:master\r\n")
	})
	if err != nil {
		s.tb.Fatalf("redistest: sentinel: master: %v", err)
	}
	return master
}

// byAddress finds a server by what a Sentinel answers: a host and a port.
func (s *SentinelServers) byAddress(answer any) *Server {
	parts, ok := answer.([]any)
	if !ok || len(parts) != 2 {
		return nil
	}
	for _, server := range s.Data {
		if server.addr == fmt.Sprintf("%v:%v", parts...) {
			return server
		}
	}
	return nil
}
