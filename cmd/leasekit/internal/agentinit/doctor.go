package agentinit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/cmdenv"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/exit"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/hook"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/hosts"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/open"
	"github.com/leasekit/leasekit/lease"
)

// doctorTime bounds each question that the doctor asks.
const doctorTime = 15 * time.Second

// DoctorCommand returns the command that finds out whether the hooks work.
func DoctorCommand(env *cmdenv.Env) *cobra.Command {
	var releaseStale bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Find out whether hooks, store and configuration work",
		Long: `Doctor looks whether the store can be reached and written, which clients are set up,
whether a hook really refuses what another session holds (it asks for a file that is
never written), and which sessions hold files though their process is gone.
The exit status is 0 if nothing is wrong.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d := &doctor{env: env, releaseStale: releaseStale}
			d.examine(cmd.Context())
			if d.bad > 0 {
				return exit.Silently(exit.Failed)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&releaseStale, "release-stale", false, "release what sessions hold whose process is gone")
	return cmd
}

type doctor struct {
	env          *cmdenv.Env
	releaseStale bool
	bad          int
}

func (d *doctor) good(format string, args ...any) { d.say("ok   ", format, args...) }
func (d *doctor) info(format string, args ...any) { d.say("note ", format, args...) }

func (d *doctor) wrong(next, format string, args ...any) {
	d.bad++
	d.say("WRONG", format, args...)
	if next != "" {
		d.say("     ", "next: %s", next)
	}
}

func (d *doctor) say(mark, format string, args ...any) {
	_, _ = fmt.Fprintf(d.env.Out, "%s %s\n", mark, fmt.Sprintf(format, args...))
}

func (d *doctor) examine(ctx context.Context) {
	self, _ := os.Executable()
	d.good("leasekit %s, %s %s/%s, %s", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH, self)
	d.hosts()
	l, err := d.env.Locate()
	if err != nil {
		d.wrong(exit.Of(err).Next, "%v", err)
		return
	}
	d.good("store %s, from %s", open.Redacted(l.URL), l.Source)
	if !d.store(ctx, l) {
		return
	}
	d.probe(ctx, l)
	d.lastCalls(l)
}

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(unknown version)"
}

// hosts says which clients are set up, for the user and in this tree.
func (d *doctor) hosts() {
	s, err := setup(d.env, false, "", "")
	if err != nil {
		d.wrong("", "%v", err)
		return
	}
	places := []Setup{s}
	if tree, err := setup(d.env, true, "", ""); err == nil {
		places = append(places, tree)
	}
	found := 0
	for _, h := range hosts.All() {
		for _, p := range places {
			if h == hosts.VSCode && p.Project == "" {
				continue
			}
			found += d.host(h, p)
		}
	}
	if found == 0 {
		d.wrong("leasekit init claude (or another client)", "no client is set up")
	}
}

// host says whether one client is set up in one place.
func (d *doctor) host(h hosts.Host, s Setup) int {
	c, err := Configure(h, s, true)
	if err != nil {
		if !errors.Is(err, os.ErrNotExist) {
			d.info("%s: %v", h, err)
		}
		return 0
	}
	if c.Same() {
		return 0
	}
	program, ok := programIn(c.Before)
	if !ok {
		d.info("%s: %s names leasekit in a way that is not known here", h, c.File)
		return 1
	}
	if _, err := exec.LookPath(program); err != nil {
		d.wrong("leasekit init "+string(h), "%s: %s runs %s, which is not there", h, c.File, program)
		return 1
	}
	d.good("%s: set up in %s", h, c.File)
	if h == hosts.Codex {
		d.info("codex: whether Codex trusts the hook is Codex' secret; start codex and look at its hooks")
	}
	return 1
}

// programIn returns the program that a configuration of ours runs.
func programIn(config []byte) (string, bool) {
	if strings.HasPrefix(string(config), pluginMark) {
		_, rest, _ := strings.Cut(string(config), "const program = ")
		line, _, _ := strings.Cut(rest, "\n")
		var program string
		err := json.Unmarshal([]byte(line), &program)
		return program, err == nil
	}
	before, _, ok := bytes.Cut(config, []byte(" hook --host "))
	if !ok {
		return "", false
	}
	at := bytes.LastIndex(before, []byte(`: "`))
	var program string
	if at < 0 || json.Unmarshal(append(append([]byte(nil), before[at+2:]...), '"'), &program) != nil {
		return "", false
	}
	return strings.ReplaceAll(strings.Trim(program, "'"), `'\''`, "'"), true
}

// store looks whether the store can be reached and written, and who holds files
// though its process is gone.
func (d *doctor) store(ctx context.Context, l open.Location) bool {
	ctx, cancel := context.WithTimeout(ctx, doctorTime)
	defer cancel()
	begun := time.Now()
	store, err := l.Open(ctx, nil)
	if err != nil {
		d.wrong(exit.Of(err).Next, "%v", err)
		return false
	}
	defer store.Close()
	stats, err := store.Stats(ctx)
	if err != nil {
		d.wrong(exit.Of(err).Next, "%v", err)
		return false
	}
	d.good("store answers in %v: %d leases, %d waiters", time.Since(begun).Round(time.Millisecond), stats.Active, stats.Pending)
	stale := 0
	for one, err := range store.List(ctx, lease.Query{Status: []lease.Status{lease.Active}}) {
		if err != nil {
			d.wrong(exit.Of(err).Next, "%v", err)
			return false
		}
		if pid, gone := goneProcess(one); gone {
			stale++
			d.stale(ctx, store, one, pid)
		}
	}
	if stale > 0 && !d.releaseStale {
		d.info("%d leases of sessions whose process is gone end by themselves; leasekit doctor --release-stale ends them now", stale)
	}
	return true
}

func (d *doctor) stale(ctx context.Context, store *open.Store, l lease.Lease, pid int) {
	paths := make([]string, 0, len(l.Claims))
	for _, c := range l.Claims {
		paths = append(paths, c.String())
	}
	if !d.releaseStale {
		d.info("%s holds %s until %s, but its process %d is gone", l.Holder, strings.Join(paths, ", "), l.ExpiresAt.Format(time.TimeOnly), pid)
		return
	}
	_, err := store.ForceRelease(ctx, lease.Query{ID: l.ID}, lease.Revocation{Actor: "leasekit doctor", Reason: fmt.Sprintf("process %d is gone", pid)})
	if err != nil {
		d.wrong(exit.Of(err).Next, "%s: %v", l.Holder, err)
		return
	}
	d.good("released %s of %s, whose process %d is gone", strings.Join(paths, ", "), l.Holder, pid)
}

// goneProcess reports whether a lease of a hook names a process of this machine
// that is gone.
func goneProcess(l lease.Lease) (int, bool) {
	here, _ := os.Hostname()
	if l.Labels["by"] != "hook" || l.Labels["machine"] != here {
		return 0, false
	}
	pid, err := strconv.Atoi(l.Labels["pid"])
	return pid, err == nil && pid > 1 && !processExists(pid)
}

// probe lets two made-up sessions ask for the same file, which is never
// written: the second must be refused.
func (d *doctor) probe(ctx context.Context, l open.Location) {
	ctx, cancel := context.WithTimeout(ctx, doctorTime)
	defer cancel()
	session := "doctor-" + string(lease.NewID())
	name := filepath.Join(l.Dir, ".leasekit-doctor-"+session)
	call := func(session, event string) (int, string) {
		input, _ := json.Marshal(map[string]any{ // texts alone
			"hook_event_name": event, "session_id": session, "cwd": l.Dir, "tool_name": "Write",
			"tool_use_id": "probe", "tool_input": map[string]string{"file_path": name},
		})
		var out, errors bytes.Buffer
		env := *d.env
		env.In, env.Out, env.Err = bytes.NewReader(input), &out, &errors
		status := hook.Run(ctx, &env, hook.Options{Host: hosts.Claude, OnError: "deny"})
		return status, errors.String()
	}
	defer call(session+"-1", "SessionEnd")
	defer call(session+"-2", "SessionEnd")
	if status, text := call(session+"-1", "PreToolUse"); status != 0 {
		d.wrong("", "a session was refused a free file: %s", text)
		return
	}
	status, text := call(session+"-2", "PreToolUse")
	if status != 2 || !strings.Contains(text, session+"-1") {
		d.wrong("", "a second session was not refused (status %d): %s", status, text)
		return
	}
	d.good("a probe was refused: a second session cannot write what the first one holds")
}

// lastCalls says when clients have last called the hook for this tree.
func (d *doctor) lastCalls(l open.Location) {
	calls := hook.LastCalls(l, d.env.Getenv)
	if len(calls) == 0 {
		d.info("no client has called the hook in this tree yet")
		return
	}
	for _, c := range calls {
		d.good("%s called %v ago", c.Session, time.Since(c.At).Round(time.Second))
	}
}
