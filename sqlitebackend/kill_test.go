package sqlitebackend

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/lease/audit"

	"github.com/leasekit/leasekit/internal/proctest"
)

func init() {
	roles["work"] = workForTest
}

const (
	workTTL       = 400 * time.Millisecond // the longest lease of a worker
	workPlaceTTL  = 500 * time.Millisecond // Config.WaiterTTL of the worker's namespace
	workGoroutine = 6
)

// workForTest is a process that does everything at random, for ever, until it
// is killed. The tokens that it was handed go to a file of its own.
func workForTest(path string, orders *bufio.Scanner) error {
	m, err := Open(context.Background(), path, nil)
	if err != nil {
		return err
	}
	tokens, err := os.Create(fmt.Sprintf("%s-tokens-%d", path, os.Getpid()))
	if err != nil {
		return err
	}
	go func() {
		for orders.Scan() {
		}
		os.Exit(0) // the test has ended, perhaps in a way that kills nobody
	}()
	proctest.Say("ready")
	return inParallel(workGoroutine, func(g int) error {
		for {
			if err := workOnce(m, fmt.Sprintf("%d/%d", os.Getpid(), g), tokens); err != nil && !expected(err) {
				proctest.Say("error:", err)
				return err
			}
		}
	})
}

// expected reports whether a worker may see this error.
func expected(err error) bool {
	return errors.Is(err, lease.ErrConflict) || errors.Is(err, lease.ErrLost) || errors.Is(err, lease.ErrQuota)
}

// workOnce takes something, perhaps in line, perhaps renews and exchanges it,
// and perhaps gives it back.
func workOnce(m lease.Manager, holder string, tokens *os.File) error {
	ctx := context.Background()
	r := lease.Request{
		Holder: holder, Claims: randomClaims(), Priority: rand.IntN(3) - 1, Distinct: rand.IntN(8) == 0,
		TTL: time.Duration(1+rand.IntN(4)) * workTTL / 4, Timeout: time.Duration(1+rand.IntN(300)) * time.Millisecond,
	}
	acquire := m.Acquire
	if rand.IntN(2) == 0 {
		acquire = m.TryAcquire
	}
	l, err := acquire(ctx, r)
	if err != nil {
		return err
	}
	fmt.Fprintf(tokens, "%d %s\n", l.Token, l.ID)
	for range rand.IntN(3) {
		if _, err := m.Renew(ctx, l.Ref(), 0); err != nil {
			return err
		}
	}
	if rand.IntN(3) == 0 {
		r.Claims, r.Replace = randomClaims(), l.Ref()
		if next, err := acquire(ctx, r); err == nil {
			l = next
			fmt.Fprintf(tokens, "%d %s\n", l.Token, l.ID)
		} else if !expected(err) {
			return err
		}
	}
	if rand.IntN(5) == 0 {
		return nil // let it expire
	}
	return m.Release(ctx, l.Ref())
}

func randomClaims() []lease.Claim {
	claims := make([]lease.Claim, 1+rand.IntN(3))
	for i := range claims {
		claims[i] = lease.Claim{Path: fmt.Sprintf("%c/%d", 'a'+rand.IntN(8), rand.IntN(8))}
		if rand.IntN(3) == 0 {
			claims[i].Mode = lease.Shared
		}
		if rand.IntN(10) == 0 {
			claims[i].Path, claims[i].Scope = claims[i].Path[:1], lease.Tree
		}
	}
	return claims
}

// Processes that do everything at once are killed at random moments. After
// each, the tables agree with each other; now and then all are killed, and the
// file is opened anew, as after the end of the machine's power.
func TestKilledAnywhere(t *testing.T) {
	kills, workers := 200, 5
	if testing.Short() || underRace {
		kills = 30
	}
	path := newPath(t)
	s := mustWorkStore(t, path)
	start := func() *proctest.Process { return proctest.Start(t, "work", path) }
	children := make([]*proctest.Process, workers)
	for i := range children {
		children[i] = start()
		children[i].Expect("ready")
	}
	for killed := 0; killed < kills; {
		moment := time.NewTimer(rand.N(40 * time.Millisecond)) // any moment will do
		<-moment.C
		if rand.IntN(40) > 0 {
			i := rand.IntN(workers)
			children[i].KillSilent("ready")
			checkState(t, s)
			children[i] = start()
			killed++
			continue
		}
		for _, child := range children {
			child.KillSilent("ready")
		}
		killed += workers
		require.NoError(t, s.Close())
		s = mustWorkStore(t, path)
		for i := range children {
			children[i] = start()
		}
	}
	for _, child := range children {
		child.KillSilent("ready")
	}
	dead := time.Now()

	// All that they held, and every place in line, is free when its time is over.
	m := backend.New(s, nil)
	defer func() { require.NoError(t, m.Close()) }()
	heir, err := m.Acquire(t.Context(), lease.Request{Holder: "heir", Claims: lease.Trees("/"), TTL: time.Minute})
	require.NoError(t, err)
	took := time.Since(dead)
	require.Less(t, took, workTTL+workPlaceTTL+2*time.Second)

	report, err := audit.Replay(m.History(t.Context(), lease.Query{All: true}), nil)
	require.NoError(t, err)
	require.NoError(t, report.Err())
	checkState(t, s)
	checkIntegrity(t, s)
	checkTokens(t, m, path, heir.Token)
	t.Logf("free after %v\n%s", took.Round(time.Millisecond), report.Summary)
}

// mustWorkStore opens the workers' namespace.
func mustWorkStore(t testing.TB, path string) *Store {
	t.Helper()
	s, err := OpenStore(t.Context(), path, nil)
	require.NoError(t, err)
	checkIntegrity(t, s)
	checkState(t, s)
	current, err := s.Config(t.Context())
	require.NoError(t, err)
	if config := current.Config; config.WaiterTTL != workPlaceTTL {
		config.WaiterTTL = workPlaceTTL
		_, err = s.SetConfig(t.Context(), config)
		require.NoError(t, err)
	}
	return s
}

// checkTokens fails the test if a token that a worker was handed is not the one
// in the history.
func checkTokens(t testing.TB, m lease.Manager, path string, newest lease.Token) {
	t.Helper()
	granted := make(map[lease.Token]lease.ID)
	for e, err := range m.History(t.Context(), lease.Query{All: true, Kinds: []lease.Kind{lease.KindGranted}}) {
		require.NoError(t, err)
		require.Empty(t, granted[e.Lease.Token], "a token twice")
		granted[e.Lease.Token] = e.Lease.ID
	}
	files, err := filepath.Glob(path + "-tokens-*")
	require.NoError(t, err)
	handed := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for line := range strings.Lines(string(text)) {
			var token lease.Token
			var id lease.ID
			if n, _ := fmt.Sscan(line, &token, &id); n == 2 && strings.HasSuffix(line, "\n") {
				require.Equal(t, id, granted[token], "token %d", token)
				require.Less(t, token, newest)
				handed++
			}
		}
	}
	require.Positive(t, handed)
}
