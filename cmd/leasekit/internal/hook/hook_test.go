package hook_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/cli"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/cmdenv"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/hosts"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/stores"
	"github.com/leasekit/leasekit/lease"
)

// writesNew are the recordings of each host that write new.txt, and its end of
// a turn.
var writesNew = []struct {
	host               hosts.Host
	before, after, end string
}{
	{hosts.Claude, "pre-tool-use-write", "post-tool-use-write", "stop"},
	{hosts.Codex, "pre-tool-use-apply-patch", "post-tool-use-apply-patch", "stop"},
	{hosts.Gemini, "before-tool-write-file", "after-tool-write-file", "after-agent"},
	{hosts.Qwen, "pre-tool-use-write-file", "post-tool-use-write-file", "stop"},
	{hosts.OpenCode, "tool-execute-before-write", "tool-execute-after-write", ""},
}

// Of every two hosts, the second is refused until the first one's turn ends.
func TestHostsExcludeEachOther(t *testing.T) {
	for _, first := range writesNew {
		for _, second := range writesNew {
			if first.host == second.host || first.end == "" {
				continue
			}
			t.Run(string(first.host)+" "+string(second.host), func(t *testing.T) {
				w := newWorld(t)
				w.passes(w.recording(first.host, first.before))
				w.refuses(w.recording(second.host, second.before), "new.txt", string(first.host)+":", "branch main")
				w.write("new.txt", "hello\n")
				w.passes(w.recording(first.host, first.after))
				w.refuses(w.recording(second.host, second.before), string(first.host)+":")
				w.passes(w.recording(first.host, first.end))
				w.passes(w.recording(second.host, second.before))
			})
		}
	}
}

// Every recording is answered without an error, and a session alone is never
// refused.
func TestEveryRecordingAlone(t *testing.T) {
	for _, h := range []hosts.Host{hosts.Claude, hosts.Codex, hosts.Gemini, hosts.Qwen, hosts.OpenCode} {
		t.Run(string(h), func(t *testing.T) {
			w := newWorld(t)
			names, err := filepath.Glob(filepath.Join("..", "hosts", "testdata", string(h), "*.json"))
			require.NoError(t, err)
			for _, name := range names {
				if strings.Contains(name, "worktree") {
					continue // in a folder that is not here
				}
				w.options.Host = h
				require.NoError(t, os.RemoveAll(filepath.Join(w.repo, ".git", "leasekit"))) // some are of several sessions
				a := w.recording(h, strings.TrimSuffix(filepath.Base(name), ".json"))
				require.Zero(t, a.status, "%s: %+v", name, a)
				require.Empty(t, a.stderr, name)
			}
		})
	}
}

func TestRefusalSaysWhatToDo(t *testing.T) {
	w := newWorld(t)
	w.passes(w.call(call{event: "UserPromptSubmit", session: "A", prompt: "Mend the login\n\tpage"}))
	w.passes(w.before("A", "sub/deep.txt"))
	a := w.before("B", "sub/deep.txt")
	w.refuses(a, "sub/deep.txt is being written by another session", "claude:A", "branch main", `task "Mend the login page"`,
		"since ", "until ", "leasekit run -w 5m sub/deep.txt -- true", "leasekit who sub/deep.txt")
}

func TestOwnClaimsAreTakenOnce(t *testing.T) {
	w := newWorld(t)
	for range 3 {
		w.passes(w.before("A", "notes.txt"))
		w.passes(w.after("A", "notes.txt"))
	}
	require.Equal(t, []string{"claude:A notes.txt"}, w.leases())
}

func TestBatchIsAllOrNone(t *testing.T) {
	w := newWorld(t)
	w.passes(w.before("A", "sub/deep.txt"))
	w.refuses(w.recording(hosts.Codex, "paths-pre-patch-multi-move-delete"), "sub/deep.txt")
	require.Equal(t, []string{"claude:A sub/deep.txt"}, w.leases())
	w.passes(w.stop("A"))
	w.passes(w.recording(hosts.Codex, "paths-pre-patch-multi-move-delete"))
	require.Len(t, w.leases(), 4)
	many := make([]string, 300)
	for i := range many {
		many[i] = fmt.Sprint("many/", i)
	}
	w.refuses(w.before("C", many...), "300 files", "256")
}

func TestSpellingsOfOneFile(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, os.Symlink("sub", filepath.Join(w.repo, "link")))
	require.NoError(t, os.Symlink("sub/new.txt", filepath.Join(w.repo, "dangling")))
	w.passes(w.before("A", "sub/new.txt"))
	for _, name := range []string{"./sub/../sub/new.txt", "link/new.txt", w.repo + "/link/new.txt", "dangling", "sub//new.txt"} {
		w.refuses(w.before("B", name), "sub/new.txt")
	}
	w.refuses(w.call(call{event: "PreToolUse", session: "B", tool: "Write", files: []string{"new.txt"}, dir: w.repo + "/sub"}), "sub/new.txt")
	// The session's folder may be anywhere.
	w.refuses(w.call(call{event: "PreToolUse", session: "B", tool: "Write", files: []string{w.repo + "/sub/new.txt"}, dir: w.home}), "sub/new.txt")
}

func TestOddNames(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"with space", "new\nline", "größe", "-dash", "quote'd", "a*b", "@git/index"} {
		w.passes(w.before("A", name))
		w.refuses(w.before("B", name))
	}
	// Outside of the tree there is the user's own store.
	outside := filepath.Join(w.home, "outside.txt")
	w.passes(w.before("A", outside))
	w.refuses(w.before("B", outside), "outside.txt")
	// What no store can name is left alone.
	w.passes(w.before("B", "nul\x00byte"))
	w.passes(w.before("B", strings.Repeat("deep/", 200)+"x"))
	w.passes(w.before("B", strings.Repeat("long", 100)))
}

func TestHold(t *testing.T) {
	t.Run("turn", func(t *testing.T) {
		w := newWorld(t)
		w.passes(w.before("A", "notes.txt"))
		w.passes(w.after("A", "notes.txt"))
		w.refuses(w.before("B", "notes.txt"))
		w.passes(w.stop("A"))
		w.passes(w.before("B", "notes.txt"))
	})
	t.Run("session", func(t *testing.T) {
		w := newWorld(t)
		w.configure(`{"hook": {"hold": "session"}}`)
		w.passes(w.before("A", "notes.txt"))
		w.passes(w.stop("A"))
		w.refuses(w.before("B", "notes.txt"))
		w.passes(w.call(call{event: "SessionEnd", session: "A"}))
		w.passes(w.before("B", "notes.txt"))
	})
	t.Run("write", func(t *testing.T) {
		w := newWorld(t)
		w.configure(`{"hook": {"hold": "write"}}`)
		w.passes(w.before("A", "notes.txt"))
		w.refuses(w.before("B", "notes.txt"))
		w.passes(w.after("A", "notes.txt"))
		w.passes(w.before("B", "notes.txt"))
		w.passes(w.after("B", "notes.txt"))
		w.passes(w.before("A", "notes.txt"))
	})
}

// A call that waits in vain keeps its place: nobody who comes later is first,
// and the same call finds the place again.
func TestWaitKeepsThePlace(t *testing.T) {
	w := newWorld(t)
	w.passes(w.before("A", "notes.txt"))
	w.options.Wait = 300 * time.Millisecond
	w.refuses(w.before("B", "notes.txt"), "You have place 1 in line", "claude:A")
	w.passes(w.stop("A"))
	w.options.Wait = -1
	w.refuses(w.before("C", "notes.txt"), "claude:B")
	w.options.Wait = 300 * time.Millisecond
	w.passes(w.before("B", "notes.txt"))
}

func TestWaitEndsWhenTheFileIsFree(t *testing.T) {
	w := newWorld(t)
	w.passes(w.before("A", "notes.txt"))
	var group sync.WaitGroup
	waiting := *w
	waiting.options.Wait = 30 * time.Second
	group.Go(func() { waiting.passes(waiting.before("B", "notes.txt")) })
	w.waitFor(func(pending int) bool { return pending == 1 })
	w.passes(w.stop("A"))
	group.Wait()
	require.Equal(t, []string{"claude:B notes.txt"}, w.leases())
}

func TestReads(t *testing.T) {
	w := newWorld(t)
	read := func(session string) answer {
		return w.call(call{event: "PreToolUse", session: session, tool: "Read", files: []string{"notes.txt"}, id: "r"})
	}
	w.passes(w.before("A", "notes.txt"))
	w.passes(read("B"))
	w.configure(`{"hook": {"reads": "shared"}}`)
	w.refuses(read("B"))
	w.passes(w.stop("A"))
	w.passes(read("B"))
	w.passes(read("C"))
	w.refuses(w.before("A", "notes.txt"), "claude:B", "claude:C")
}

func TestChangedUnderYou(t *testing.T) {
	w := newWorld(t)
	w.passes(w.call(call{event: "PostToolUse", session: "A", tool: "Read", files: []string{"notes.txt"}, id: "r"}))
	w.passes(w.call(call{event: "UserPromptSubmit", session: "B", prompt: "Rewrite the notes"}))
	w.passes(w.before("B", "notes.txt"))
	w.write("notes.txt", "written by B, longer than before\n")
	w.passes(w.after("B", "notes.txt"))
	w.passes(w.stop("B"))
	w.refuses(w.before("A", "notes.txt"), "changed under you", "claude:B", "Rewrite the notes", "notes.txt")
	w.refuses(w.before("B", "notes.txt"), "claude:A") // it is A's now
	w.passes(w.before("A", "notes.txt"))
	// A change of its own, or of nobody who has a lease, is not reported.
	w.write("notes.txt", "written by A itself, in a way that no hook saw\n")
	w.passes(w.before("A", "notes.txt"))
}

func TestChangedBehindTheBack(t *testing.T) {
	w := newWorld(t)
	w.passes(w.before("A", "notes.txt"))
	w.write("notes.txt", "A's own\n")
	w.passes(w.after("A", "notes.txt"))
	const script = "python3 generate.py"
	w.passes(w.shell("B", script))
	w.passes(w.shellDone("B", script)) // nothing has changed
	w.passes(w.shell("B", script))
	w.write("notes.txt", "overwritten by the script\n")
	a := w.shellDone("B", script)
	require.Zero(t, a.status)
	require.Contains(t, a.stdout, "additionalContext")
	require.Contains(t, a.stdout, "notes.txt, held by claude:A")
	// The holder itself writes meanwhile: no false alarm.
	w.passes(w.shell("B", script))
	w.passes(w.before("A", "notes.txt"))
	w.write("notes.txt", "A again\n")
	w.passes(w.shellDone("B", script))
	w.passes(w.after("A", "notes.txt"))
}

func TestShellCommands(t *testing.T) {
	w := newWorld(t)
	w.passes(w.before("A", "notes.txt"))
	for _, command := range []string{
		"echo x > notes.txt", "cd sub && echo x >> ../notes.txt", "sed -i s/a/b/ notes.txt", "rm notes.txt", "git checkout -- notes.txt",
		"git stash", "git reset --hard", "git clean -fd", "for f in *.txt; do rm $f; done", "apply_patch <<'E'\n*** Begin Patch\n*** Update File: notes.txt\n*** End Patch\nE",
	} {
		w.refuses(w.shell("B", command), "claude:A")
	}
	for _, command := range []string{"cat notes.txt", "git status", "make", "echo x > other.txt", "go test ./..."} {
		w.passes(w.shell("B", command))
	}
}

// What git commands share is held for the command alone.
func TestGitIsHeldForTheCommand(t *testing.T) {
	w := newWorld(t)
	const commit = "git add -A && git commit -m x"
	w.passes(w.shell("A", commit))
	w.refuses(w.shell("B", commit), "git's index")
	w.passes(w.shellDone("A", commit))
	w.passes(w.shell("B", commit))
	w.passes(w.shellDone("B", commit))
	require.Empty(t, w.leases())
	// The files of such a command stay; what the host did not tell the end of
	// goes with the next call.
	w.passes(w.shell("A", "git rm notes.txt"))
	w.passes(w.shellDone("A", "git rm notes.txt"))
	require.Equal(t, []string{"claude:A notes.txt"}, w.leases())
	w.passes(w.call(call{event: "PreToolUse", session: "C", tool: "Bash", command: "git add x", id: "1"}))
	w.passes(w.call(call{event: "PreToolUse", session: "C", tool: "Bash", command: "touch other", id: "2"}))
	require.ElementsMatch(t, []string{"claude:A notes.txt", "claude:C other"}, w.leases())
}

func TestBackgroundCommandsKeepTheirFiles(t *testing.T) {
	w := newWorld(t)
	c := call{event: "PreToolUse", session: "A", tool: "Bash", command: "sleep 1; echo > notes.txt", id: "b", background: true}
	w.passes(w.call(c))
	c.event = "PostToolUse"
	w.passes(w.call(c))
	w.passes(w.stop("A"))
	w.refuses(w.before("B", "notes.txt"), "claude:A")
	w.passes(w.call(call{event: "SessionEnd", session: "A"}))
	w.passes(w.before("B", "notes.txt"))
}

func TestSubAgents(t *testing.T) {
	w := newWorld(t)
	agent := func(name, event string, files ...string) answer {
		return w.call(call{event: event, session: "A", agent: name, tool: "Write", files: files, id: "g" + name})
	}
	// Never blocked by its parent.
	w.passes(w.before("A", "notes.txt"))
	w.passes(agent("x", "PreToolUse", "notes.txt"))
	require.ElementsMatch(t, []string{"claude:A notes.txt", "claude:A/x notes.txt"}, w.leases())
	w.refuses(agent("y", "PreToolUse", "notes.txt"), "claude:A/x")
	w.passes(w.before("A", "notes.txt"))
	// A holder of its own: siblings and others are kept out.
	w.passes(agent("x", "PreToolUse", "sub/deep.txt"))
	w.refuses(agent("y", "PreToolUse", "sub/deep.txt"), "claude:A/x")
	w.refuses(w.before("B", "sub/deep.txt"), "claude:A/x")
	w.refuses(w.before("A", "sub/deep.txt"), "your own sub-agent")
	// Its end frees what is its own; the session's end frees everything.
	w.passes(w.call(call{event: "SubagentStop", session: "A", agent: "x"}))
	w.passes(agent("y", "PreToolUse", "sub/deep.txt"))
	w.passes(w.call(call{event: "SessionEnd", session: "A"}))
	require.Empty(t, w.leases())
}

// A hook was killed before it noted what its session had been granted: its
// sub-agents write under that, whoever waits for it, and leave no place in line;
// but not one over the other. What the session only waits for covers nothing.
func TestSubAgentsWithoutTheNote(t *testing.T) {
	w := newWorld(t)
	w.configure(`{"hook": {"wait": "1s"}}`)
	agent := func(file string) answer {
		return w.call(call{event: "PreToolUse", session: "A", agent: "x", tool: "Write", files: []string{file}, id: file})
	}
	ask := func(holder, path string) (l lease.Lease, err error) {
		w.manager(func(m lease.Manager) {
			l, err = m.TryAcquire(t.Context(), lease.Request{ID: lease.NewID(), Holder: holder, Claims: lease.Paths(path), TTL: time.Minute, QueueTTL: time.Minute})
		})
		return l, err
	}
	held, err := ask("claude:A", "notes.txt")
	require.NoError(t, err)
	_, err = ask("claude:B", "notes.txt")
	require.ErrorIs(t, err, lease.ErrConflict)
	w.passes(agent("notes.txt"))
	w.manager(func(m lease.Manager) {
		stats, err := m.Stats(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1, stats.Pending, "who waits is B")
		_, err = m.TryAcquire(t.Context(), lease.Request{Holder: "claude:A/y", Claims: lease.Paths("notes.txt"), TTL: time.Minute, Parent: held.Ref()})
		require.NoError(t, err)
	})
	w.refuses(agent("notes.txt"), "claude:A/y")

	_, err = ask("claude:B", "sub/deep.txt")
	require.NoError(t, err)
	_, err = ask("claude:A", "sub/deep.txt")
	require.ErrorIs(t, err, lease.ErrConflict)
	w.refuses(agent("sub/deep.txt"), "claude:B")
}

// Two hooks for one call, as when a client reads another's configuration too,
// are one request.
func TestTwoHooksForOneCall(t *testing.T) {
	w := newWorld(t)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() { w.passes(w.before("A", "notes.txt")) })
	}
	group.Wait()
	require.Equal(t, []string{"claude:A notes.txt"}, w.leases())
}

func TestLinkedWorkTrees(t *testing.T) {
	w := newWorld(t)
	w.git("worktree", "add", "-q", "../linked")
	linked := filepath.Join(filepath.Dir(w.repo), "linked")
	in := func(session, dir, file string) answer {
		return w.call(call{event: "PreToolUse", session: session, tool: "Write", files: []string{file}, dir: dir, id: "w"})
	}
	w.passes(in("A", w.repo, "notes.txt"))
	w.passes(in("B", linked, "notes.txt")) // another file
	w.refuses(in("C", linked, "notes.txt"), "claude:B")
	w.refuses(in("C", w.repo, linked+"/notes.txt"), "claude:B") // the same one from elsewhere
	// Commands that rewrite a whole tree leave the other one alone.
	w.passes(w.call(call{event: "PreToolUse", session: "A", tool: "Bash", command: "git reset --hard", id: "s"}))
	w.refuses(w.call(call{event: "PreToolUse", session: "A", tool: "Bash", command: "git reset --hard", dir: linked, id: "s2"}), "claude:B")

	w = newWorld(t)
	w.git("worktree", "add", "-q", "../linked")
	linked = filepath.Join(filepath.Dir(w.repo), "linked")
	w.configure(`{"worktrees": "shared"}`)
	w.write(filepath.Join(linked, ".leasekit.json"), `{"worktrees": "shared"}`)
	w.passes(in("A", w.repo, "notes.txt"))
	w.refuses(in("B", linked, "notes.txt"), "claude:A")
}

// A session whose name changes is another session; one without a name is one
// only if the environment names it.
func TestSessionNames(t *testing.T) {
	w := newWorld(t)
	w.passes(w.before("A", "notes.txt"))
	w.refuses(w.before("a", "notes.txt"))
	noName := `{"hook_event_name":"PreToolUse","cwd":"` + w.repo + `","effort":{},"tool_name":"Write","tool_input":{"file_path":"notes.txt"}}`
	a := w.run(noName)
	require.Zero(t, a.status)
	require.Contains(t, a.stderr, "it names no session")
	w.environ = append(w.environ, "CLAUDE_CODE_SESSION_ID=A")
	w.passes(w.run(noName))
}

// The command in a session's shell is the session.
func TestTheCommandIsTheSession(t *testing.T) {
	w := newWorld(t)
	w.passes(w.before("A", "notes.txt"))
	run := func() int {
		env := &cmdenv.Env{In: strings.NewReader(""), Out: new(strings.Builder), Err: new(strings.Builder), Dir: w.repo, Stores: stores.All, Environ: w.environ}
		return cli.Main(t.Context(), env, []string{"check", "notes.txt"})
	}
	require.Equal(t, 75, run())
	w.environ = append(w.environ, "CLAUDE_CODE_SESSION_ID=A")
	require.Zero(t, run())
}

func TestClaimsEndByThemselvesAndAreRenewed(t *testing.T) {
	w := newWorld(t)
	w.configure(`{"hook": {"ttl": "2s"}}`)
	w.passes(w.before("A", "notes.txt"))
	until := time.Now().Add(4 * time.Second)
	for time.Now().Before(until) { // other calls of the session keep it
		w.passes(w.call(call{event: "PostToolUse", session: "A", tool: "Read", files: []string{"sub/deep.txt"}, id: "r"}))
		w.refuses(w.before("B", "notes.txt"), "claude:A")
	}
	require.Eventually(t, func() bool { return w.before("B", "notes.txt").status == 0 }, eventually, tick)
}
