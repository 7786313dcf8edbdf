package hook_test

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// A hook call as a whole process: a write of a file that the session holds, one
// that is free, and a call that needs no store.
func BenchmarkProcess(b *testing.B) {
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	if program := os.Getenv("LEASEKIT_PROGRAM"); program != "" {
		self = program // the real program, without the tests' own start-up
	}
	w := newWorld(b)
	process := func(input string) {
		cmd := exec.Command(self, "hook")
		cmd.Dir, cmd.Env, cmd.Stdin = w.repo, slices.Concat(w.environ, []string{asProgram + "=1"}), strings.NewReader(input)
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			b.Fatal(err, string(out))
		}
	}
	held := w.input(call{event: "PreToolUse", session: "A", tool: "Write", files: []string{"notes.txt"}, id: "w"})
	process(held)
	b.Run("held", func(b *testing.B) {
		for b.Loop() {
			process(held)
		}
	})
	b.Run("free", func(b *testing.B) {
		for b.Loop() {
			process(w.input(call{event: "PreToolUse", session: "B", tool: "Write", files: []string{"other.txt"}, id: "w"}))
			b.StopTimer()
			w.stop("B")
			b.StartTimer()
		}
	})
	b.Run("nothing", func(b *testing.B) {
		read := w.input(call{event: "PreToolUse", session: "A", tool: "Read", files: []string{"notes.txt"}, id: "r"})
		for b.Loop() {
			process(read)
		}
	})
}
