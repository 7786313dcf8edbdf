package hook_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	processBound   = 12 * time.Millisecond // what a call may take as a whole process
	processBoundBy = 2                     // or so many times what a program takes that only acquires
	processSamples = 30                    // to judge by
)

// A hook call as a whole process: a write of a file that the session holds, one
// that is free, and a call that needs no store. What starting a process costs
// differs tenfold between machines, so each call is measured beside a program
// that opens the store, acquires a lease and closes it, and the bound is one of
// both.
//
// The programs are built as they are published: static. "whole" is a call of the
// program leasekit, which has all commands and all stores.
func BenchmarkProcess(b *testing.B) {
	dir := b.TempDir()
	program, whole, bare := filepath.Join(dir, "leasekit-hook"), filepath.Join(dir, "leasekit"), filepath.Join(dir, "bare")
	build(b, program, "github.com/leasekit/leasekit/cmd/leasekit/leasekit-hook")
	build(b, whole, "github.com/leasekit/leasekit/cmd/leasekit")
	build(b, bare, "./testdata/bare")
	file := filepath.Join(dir, "bare.db")
	w := newWorld(b)
	process := func(program, input string) {
		cmd := exec.Command(program, "hook")
		cmd.Dir, cmd.Env, cmd.Stdin = w.repo, w.environ, strings.NewReader(input)
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			b.Fatal(err, string(out))
		}
	}
	compare := func(b *testing.B, program, input string, undo func()) {
		var took, least []time.Duration
		for b.Loop() {
			began := time.Now()
			process(program, input)
			took = append(took, time.Since(began))
			b.StopTimer()
			undo()
			began = time.Now()
			cmd := exec.Command(bare, file)
			cmd.Stdin = strings.NewReader(input)
			if out, err := cmd.CombinedOutput(); err != nil {
				b.Fatal(err, string(out))
			}
			least = append(least, time.Since(began))
			b.StartTimer()
		}
		slices.Sort(took)
		slices.Sort(least)
		b.ReportMetric(took[len(took)/2].Seconds()*1e3, "ms/median")
		b.ReportMetric(least[len(least)/2].Seconds()*1e3, "ms/bare")
		// The fastest of each is what a busy machine disturbs least.
		call, base := took[0], least[0]
		if program != whole && len(took) >= processSamples && call > processBound && call > processBoundBy*base {
			b.Errorf("a call takes %v, %.1f times what a program takes that only acquires (%v)", call, float64(call)/float64(base), base)
		}
	}
	held := w.input(call{event: "PreToolUse", session: "A", tool: "Write", files: []string{"notes.txt"}, id: "w"})
	process(program, held)
	b.Run("held", func(b *testing.B) { compare(b, program, held, func() {}) })
	b.Run("held/whole", func(b *testing.B) { compare(b, whole, held, func() {}) })
	b.Run("free", func(b *testing.B) {
		compare(b, program, w.input(call{event: "PreToolUse", session: "B", tool: "Write", files: []string{"other.txt"}, id: "w"}), func() { w.stop("B") })
	})
	b.Run("nothing", func(b *testing.B) {
		compare(b, program, w.input(call{event: "PreToolUse", session: "A", tool: "Read", files: []string{"notes.txt"}, id: "r"}), func() {})
	})
}

func build(tb testing.TB, output, what string) {
	tb.Helper()
	cmd := exec.Command("go", "build", "-o", output, what)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	require.NoError(tb, err, "%s", out)
}
