package postgresbackend

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/conformance"
	"github.com/leasekit/leasekit/internal/proctest"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/postgresbackend/internal/pgtest"
)

func init() { roles["work"] = workForTest }

// workForTest is a process that takes paths and gives them back, for ever, until
// it is killed.
func workForTest(url string, orders *bufio.Scanner) error {
	m, err := Open(context.Background(), url, &Options{Namespace: killedNamespace})
	if err != nil {
		return err
	}
	go func() {
		for orders.Scan() {
		}
		os.Exit(0) // the test has ended, perhaps in a way that kills nobody
	}()
	w := &worked{tokens: map[string][]lease.Token{}}
	errs := make(chan error)
	for g := range 4 {
		go func() {
			errs <- w.work(context.Background(), m, fmt.Sprintf("%d/%d", os.Getpid(), g), fmt.Sprint("p", g/2))
		}()
	}
	proctest.Say("ready")
	return <-errs
}

const killedNamespace = "killed"

// Processes are killed at random moments, again and again: what they held ends by
// itself, nothing is granted twice, and history and tables stay sound.
func TestKilledClients(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared()
	s, err := OpenStore(t.Context(), server.URL(), &Options{Namespace: killedNamespace})
	require.NoError(t, err)
	m := backend.New(s, nil)
	defer m.Close()
	const processes, kills = 3, 3 * troubles
	children := make([]*proctest.Process, processes)
	start := func(i int) {
		children[i] = proctest.Start(t, "work", server.URL())
		children[i].Expect("ready")
	}
	for i := range children {
		start(i)
	}
	for range kills {
		<-time.After(time.Duration(rand.IntN(40)) * time.Millisecond)
		i := rand.IntN(processes)
		children[i].KillSilent()
		start(i)
	}
	for _, child := range children {
		child.KillSilent()
	}
	for _, path := range []string{"p0", "p1"} {
		_, err := m.Acquire(t.Context(), lease.Request{Holder: "last", Claims: lease.Paths(path), Timeout: patience})
		require.NoError(t, err, "what they held has ended")
	}
	conformance.Check(t, m)
	requireSound(t, server.URL(), killedNamespace)
}
