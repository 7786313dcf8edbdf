package benchmarks

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// startLimit is how long a redis-server may take until it answers.
const startLimit = 10 * time.Second

// startRedis runs a redis-server without persistence on a free loopback port
// until b ends, and returns its address. Without the binary it skips b.
func startRedis(b *testing.B) string {
	b.Helper()
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		b.Skip("redis-server is not on PATH: the peers are compared on a real server only (Debian: apt-get install redis-server)")
	}

	port := freePort(b)
	command := exec.Command(binary,
		"--bind", "127.0.0.1", "--port", port, "--dir", b.TempDir(),
		"--save", "", "--appendonly", "no", "--daemonize", "no", "--logfile", "")
	output, err := command.StdoutPipe()
	if err != nil {
		b.Fatalf("redis-server: %v", err)
	}
	if err := command.Start(); err != nil {
		b.Fatalf("redis-server: %v", err)
	}

	// The log is read to its end, or the server would block on a full pipe.
	ready, ended := make(chan struct{}), make(chan struct{})
	var log strings.Builder // read only after ended is closed
	go func() {
		defer close(ended)
		lines := bufio.NewScanner(output)
		for started := false; lines.Scan(); {
			log.WriteString(lines.Text() + "\n")
			if !started && strings.Contains(lines.Text(), "Ready to accept connections") {
				started = true
				close(ready)
			}
		}
	}()
	stop := func() {
		_ = command.Process.Kill() // fails only if it ended already
		<-ended
		_ = command.Wait() // always "signal: killed"
	}

	timer := time.NewTimer(startLimit)
	defer timer.Stop()
	select {
	case <-ready:
		b.Cleanup(stop)
	case <-ended:
		stop()
		b.Fatalf("redis-server ended at once:\n%s", log.String())
	case <-timer.C:
		stop()
		b.Fatalf("redis-server was not ready within %v:\n%s", startLimit, log.String())
	}
	return net.JoinHostPort("127.0.0.1", port)
}

func freePort(b *testing.B) string {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer listener.Close()
	return strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
}

// serverCPU is the processor time the server has used since it started: the
// one figure of a run that a busy machine hardly changes.
func serverCPU(ctx context.Context, client *redis.Client) (time.Duration, error) {
	info, err := client.Info(ctx, "cpu").Result()
	if err != nil {
		return 0, err
	}
	var total float64
	for _, field := range []string{"used_cpu_sys:", "used_cpu_user:"} {
		_, rest, found := strings.Cut(info, "\n"+field)
		if !found {
			return 0, fmt.Errorf("INFO cpu has no %s", field)
		}
		value, _, _ := strings.Cut(rest, "\r")
		seconds, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return 0, fmt.Errorf("INFO cpu, %s %w", field, err)
		}
		total += seconds
	}
	return time.Duration(total * float64(time.Second)), nil
}
