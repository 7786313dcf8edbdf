package redisbackend_test

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/redisbackend"
)

// Tests that need several processes run this test binary again with a role and
// the address of a server in the environment.
const (
	roleVariable    = "REDISBACKEND_ROLE"
	addressVariable = "REDISBACKEND_ADDRESS"
)

// roles are what a child process can be. It reads its orders from standard input, line by line, and answers on
// standard output.
var roles = map[string]func(m lease.Manager, orders *bufio.Scanner) error{}

func TestMain(m *testing.M) {
	role := os.Getenv(roleVariable)
	if role == "" {
		// What is parallel here waits for servers, not for a processor. A -parallel on the command line goes before.
		_ = flag.Set("test.parallel", "4")
		os.Exit(m.Run())
	}
	if err := play(role); err != nil {
		fmt.Fprintln(os.Stdout, "error:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func play(role string) error {
	client := redis.NewClient(&redis.Options{Addr: os.Getenv(addressVariable)})
	defer client.Close()
	m, err := redisbackend.Open(context.Background(), client, nil)
	if err != nil {
		return err
	}
	defer m.Close()
	return roles[role](m, bufio.NewScanner(os.Stdin))
}

// command returns the command for a child, to be started.
func command(t testing.TB, role, address string) *exec.Cmd {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	child := exec.Command(program)
	child.Env = append(os.Environ(), roleVariable+"="+role, addressVariable+"="+address)
	child.Stderr = os.Stderr
	return child
}
