package browsertest

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/view"
)

var update = flag.Bool("update", false, "write the pictures in docs anew")

// task is what an agent of the pictures works on.
type task struct {
	holder, what string
	claims       [][]lease.Claim // one after the other
}

var tasks = []task{
	{"claude/auth", "fix the login redirect", [][]lease.Claim{lease.Paths("internal/auth/login.go", "internal/auth/session.go"), lease.Paths("web/login.ts")}},
	{"codex/index", "cache the index in memory", [][]lease.Claim{lease.Trees("internal/index"), lease.Paths("internal/config/load.go")}},
	{"gemini/docs", "describe the query syntax", [][]lease.Claim{lease.SharedPaths("internal/parse/parser.go"), lease.Paths("docs/query.md")}},
	{"claude/parser", "split the parser", [][]lease.Claim{lease.Trees("internal/parse"), lease.Paths("internal/index/query.go")}},
	{"qwen/metrics", "count queries by kind", [][]lease.Claim{lease.Paths("internal/index/query.go"), lease.Paths("internal/config/load.go", "cmd/server/main.go")}},
	{"codex/review", "review the pull request", [][]lease.Claim{lease.SharedPaths("internal/auth/login.go"), lease.SharedPaths("internal/parse/parser.go")}},
	{"opencode/ui", "a form for filters", [][]lease.Claim{lease.Paths("web/app.ts", "web/style.css"), lease.Paths("web/login.ts")}},
	{"release-bot", "tag 1.4", [][]lease.Claim{lease.SharedTrees("internal"), lease.Paths("CHANGELOG.md", "go.mod")}},
}

// work makes the agents work for a while, really: what a picture shows has
// happened.
func work(t *testing.T, m lease.Manager, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	var group sync.WaitGroup
	for i, a := range tasks[:7] {
		group.Go(func() {
			random := rand.New(rand.NewPCG(7, uint64(i)))
			for turn := 0; ctx.Err() == nil; turn++ {
				_ = lease.Do(ctx, m, lease.Request{ // its end is the end of the time
					Holder: a.holder, Claims: a.claims[turn%2], TTL: 5 * time.Minute, Labels: map[string]string{"task": a.what},
				}, func(ctx context.Context, _ lease.Lease) error {
					select {
					case <-ctx.Done():
					case <-time.After(200*time.Millisecond + time.Duration(random.IntN(900))*time.Millisecond):
					}
					return nil
				})
			}
		})
	}
	group.Wait()
}

// The pictures of the documentation, of agents at work. Without -update they are
// taken and looked at, and the ones there are have to be of this size.
func TestPictures(t *testing.T) {
	m := stores["sqlite"](t)
	t.Cleanup(func() { m.Close() })
	work(t, m, 8*time.Second)
	hold := func(i, part int) {
		_, err := m.TryAcquire(t.Context(), lease.Request{
			Holder: tasks[i].holder, Claims: tasks[i].claims[part], TTL: time.Duration(2+i) * time.Minute, Labels: map[string]string{"task": tasks[i].what},
		})
		require.NoError(t, err)
	}
	wait := func(i, part int) {
		_, err := m.TryAcquire(t.Context(), lease.Request{
			ID: lease.NewID(), Holder: tasks[i].holder, Claims: tasks[i].claims[part], TTL: 5 * time.Minute, QueueTTL: 10 * time.Minute,
			Labels: map[string]string{"task": tasks[i].what},
		})
		require.ErrorIs(t, err, lease.ErrConflict)
	}
	hold(0, 0)
	hold(1, 0)
	hold(2, 0)
	hold(4, 1)
	hold(6, 0)
	hold(5, 1)
	wait(4, 0)
	wait(3, 0)
	wait(1, 1)
	wait(5, 0)
	wait(7, 0)
	s := serve(t, m, view.Options{Title: "acme/search"})

	for _, p := range []struct {
		name, hash, text string
		height           int64
	}{
		{"view.png", "now", "1st in line", 640},
		{"view-waits.png", "waits", "Chain of", 700},
		{"view-timeline.png", "timeline?seconds=60", "Latest events", 640},
	} {
		b := open(t, s.url+"#"+p.hash, 1280, p.height)
		b.shows(p.text)
		b.shows("Live")
		b.until("document.fonts.status === 'loaded'")
		taken := b.png()
		b.clean()
		b.close()
		file := filepath.Join("..", "..", "docs", p.name)
		if *update {
			require.NoError(t, os.WriteFile(file, taken, 0o644))
		}
		there, err := os.ReadFile(file)
		require.NoError(t, err, "go test ./view/browsertest -run Pictures -update")
		for _, picture := range [][]byte{taken, there} {
			size, err := png.DecodeConfig(bytes.NewReader(picture))
			require.NoError(t, err)
			require.Equal(t, fmt.Sprint(1280, p.height), fmt.Sprint(size.Width, size.Height), p.name)
		}
	}
}
