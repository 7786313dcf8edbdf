package hook_test

import (
	"bytes"
	"database/sql"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/cli"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/cmdenv"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/stores"
)

// troubles are ways in which nothing can be checked.
var troubles = map[string]func(w *world) (input string){
	"garbage": func(*world) string { return "garbage" },
	"nothing": func(*world) string { return "" },
	"cut off": func(w *world) string { return w.input(call{event: "PreToolUse", session: "A", tool: "Write"})[:40] },
	"a damaged database": func(w *world) string {
		w.write(".git/leasekit/leases.db", strings.Repeat("not a database ", 1000))
		return ""
	},
	"a newer database": func(w *world) string {
		w.tamper("INSERT INTO lease_migrations (version, name, applied_at, status) VALUES (9999, 'later', 1, 'applied')")
		return ""
	},
	"a database that another program keeps": func(w *world) string {
		w.options.Deadline = time.Second
		w.tamper("BEGIN IMMEDIATE")
		return ""
	},
	"a folder that takes no files": func(w *world) string {
		w.environ = append(w.environ, "LEASEKIT_STORE=/proc/leases.db") // not even root's
		return ""
	},
	"a store that says nothing": func(w *world) string {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(w.tb, err)
		w.tb.Cleanup(func() { _ = listener.Close() })
		w.environ = append(w.environ, "LEASEKIT_STORE=redis://"+listener.Addr().String())
		w.options.Deadline = time.Second
		return ""
	},
	"a folder for a database": func(w *world) string {
		require.NoError(w.tb, os.MkdirAll(filepath.Join(w.repo, ".git/leasekit/leases.db"), 0o755))
		return ""
	},
	"a file for a folder": func(w *world) string {
		w.write(".git/leasekit", "")
		return ""
	},
	"a store out of reach": func(w *world) string {
		w.environ = append(w.environ, "LEASEKIT_STORE=redis://127.0.0.1:1")
		return ""
	},
	"a store of an unknown kind": func(w *world) string {
		w.environ = append(w.environ, "LEASEKIT_STORE=carrier-pigeon://x")
		return ""
	},
	"a configuration that leads elsewhere": func(w *world) string {
		w.configure(`{"store": "redis://example.org"}`)
		return ""
	},
	"a configuration with a mistake": func(w *world) string {
		w.configure(`{"hook": {"hld": "turn"}}`)
		return ""
	},
	"a configuration with a bad value": func(w *world) string {
		w.configure(`{"hook": {"hold": "forever"}}`)
		return ""
	},
	"a link that leads to itself": func(w *world) string {
		require.NoError(w.tb, os.Symlink("loop", filepath.Join(w.repo, "loop")))
		return w.input(call{event: "PreToolUse", session: "A", tool: "Write", files: []string{"loop/x"}})
	},
}

// tamper runs a statement in the store's database, over a connection that stays
// open.
func (w *world) tamper(statement string) {
	w.tb.Helper()
	w.passes(w.before("A", "notes.txt"))
	db, err := sql.Open("sqlite", filepath.Join(w.repo, ".git/leasekit/leases.db"))
	require.NoError(w.tb, err)
	w.tb.Cleanup(func() { _ = db.Close() })
	db.SetMaxOpenConns(1)
	_, err = db.ExecContext(w.tb.Context(), statement)
	require.NoError(w.tb, err)
}

// What cannot be checked passes with a warning that names the next step, or is
// refused if the tree says so; never in silence.
func TestTrouble(t *testing.T) {
	for name, make := range troubles {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			input := make(w)
			if input == "" && name != "nothing" {
				input = w.input(call{event: "PreToolUse", session: "A", tool: "Write", files: []string{"notes.txt"}})
			}
			began := time.Now()
			a := w.run(input)
			require.Less(t, time.Since(began), 20*time.Second, "below the client's own time-out")
			require.Zero(t, a.status, "%+v", a)
			require.Contains(t, a.stderr, "could not check")
			require.Contains(t, a.stderr, "next: ")
			require.NotContains(t, a.stdout, "block")
			if name == "a newer database" {
				require.Contains(t, a.stderr, "next: update this program")
			}
			w.options.OnError = "deny"
			w.refuses(w.run(input), "could not check", "next: ")
			// Events that refuse nothing are never answered with a refusal.
			if !strings.Contains(input, "PreToolUse") || !strings.HasSuffix(input, "}") {
				return
			}
			require.Zero(t, w.run(strings.Replace(input, "PreToolUse", "Stop", 1)).status)
		})
	}
}

// The tree's own configuration can ask for refusal.
func TestOnErrorInTheConfiguration(t *testing.T) {
	w := newWorld(t)
	w.configure(`{"hook": {"on_error": "deny"}}`)
	w.write(".git/leasekit/leases.db", strings.Repeat("not a database ", 1000))
	w.refuses(w.before("A", "notes.txt"), "could not check")
	w.passes(w.call(call{event: "PreToolUse", session: "A", tool: "WebFetch"}))
}

// A session's file that is damaged or cannot be written stops nothing.
func TestDamagedState(t *testing.T) {
	w := newWorld(t)
	w.passes(w.before("A", "notes.txt"))
	files, err := filepath.Glob(filepath.Join(w.repo, ".git/leasekit/sessions/*.json"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	for _, text := range []string{"", "{", "null", `{"holder":"claude:B","epoch":7}`, `{"held":[{}]}`} {
		require.NoError(t, os.WriteFile(files[0], []byte(text), 0o600))
		w.passes(w.before("A", "notes.txt"))
		w.refuses(w.before("B", "notes.txt"))
	}
	require.NoError(t, os.RemoveAll(filepath.Dir(files[0])))
	require.NoError(t, os.WriteFile(filepath.Dir(files[0]), nil, 0o600)) // no folder any more
	a := w.before("A", "notes.txt")
	require.Zero(t, a.status)
	require.Contains(t, a.stderr, "sessions")
	w.refuses(w.before("B", "notes.txt"))
}

// A turn whose end was not noted down: its leases are gone, and the same call
// asks anew.
func TestEndThatWasNotNotedDown(t *testing.T) {
	w := newWorld(t)
	w.passes(w.before("A", "notes.txt"))
	files, err := filepath.Glob(filepath.Join(w.repo, ".git/leasekit/sessions/*.json"))
	require.NoError(t, err)
	before, err := os.ReadFile(files[0])
	require.NoError(t, err)
	w.passes(w.stop("A"))
	require.NoError(t, os.WriteFile(files[0], before, 0o600))
	w.passes(w.before("A", "notes.txt"))
	require.Equal(t, []string{"claude:A notes.txt"}, w.leases())
	w.refuses(w.before("B", "notes.txt"))
}

// A host that is killed while its hook waits in line leaves no claim behind.
func TestOrphansClaimNothing(t *testing.T) {
	w := newWorld(t)
	w.passes(w.before("A", "notes.txt"))
	self, err := os.Executable()
	require.NoError(t, err)
	// The shell is the host: it starts the hook, says so, and is killed.
	host := exec.Command("sh", "-c", `"$1" hook --wait 60s < "$2" > "$3" 2>&1 & echo $!; exec sleep 1000`, "sh",
		self, filepath.Join(w.home, "input"), filepath.Join(w.home, "output"))
	w.write(filepath.Join(w.home, "input"), w.input(call{event: "PreToolUse", session: "B", tool: "Write", files: []string{"notes.txt"}}))
	host.Env, host.Dir = slices.Concat(w.environ, []string{asProgram + "=1"}), w.repo
	require.NoError(t, host.Start())
	t.Cleanup(func() { _ = host.Process.Kill() })
	w.waitFor(func(pending int) bool { return pending == 1 })
	require.NoError(t, host.Process.Kill())
	_ = host.Wait()
	require.Eventually(t, func() bool {
		b, err := os.ReadFile(filepath.Join(w.home, "output"))
		return err == nil && strings.Contains(string(b), "the host that started this hook is gone")
	}, eventually, tick)
	w.passes(w.stop("A"))
	require.Empty(t, w.leases())
}

func TestPrecommit(t *testing.T) {
	w := newWorld(t)
	commit := func(environ ...string) (int, string) {
		var text bytes.Buffer
		env := &cmdenv.Env{In: strings.NewReader(""), Out: &text, Err: &text, Dir: w.repo, Stores: stores.All, Environ: append(append([]string(nil), w.environ...), environ...)}
		return cli.Main(t.Context(), env, []string{"precommit"}), text.String()
	}
	status, _ := commit()
	require.Zero(t, status) // nothing staged
	w.passes(w.before("A", "notes.txt"))
	w.write("notes.txt", "changed\n")
	w.write("sub/größe.txt", "new\n")
	w.git("add", ".")
	status, text := commit()
	require.Equal(t, 1, status)
	require.Contains(t, text, "notes.txt, held by claude:A")
	require.NotContains(t, text, "sub/")
	status, _ = commit("CLAUDE_CODE_SESSION_ID=A") // the holder's own commit
	require.Zero(t, status)
	w.passes(w.stop("A"))
	status, text = commit()
	require.Zero(t, status, text)

	w.write(".git/leasekit/leases.db", strings.Repeat("not a database ", 1000))
	status, text = commit()
	require.Zero(t, status)
	require.Contains(t, text, "was not checked")
}
