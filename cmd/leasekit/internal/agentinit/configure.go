package agentinit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/hosts"
)

// Setup says what is to be written where.
type Setup struct {
	Home    string // the user's home directory
	Project string // a work tree's top folder: the configuration goes there; empty: the user's own
	Program string // how the host starts our program
	Hook    string // how it starts the hook, if that is a program of its own (leasekit-hook)
	OnError string // "deny": the host refuses too when the program is missing
	Getenv  func(string) string
}

// Change is a file as it is and as it is to be. A nil After means no file.
type Change struct {
	File          string
	Before, After []byte
	Mode          os.FileMode
	Notes         []string // what the user must do besides
}

// Same reports whether there is nothing to do.
func (c Change) Same() bool {
	return bytes.Equal(c.Before, c.After) && (c.Before == nil) == (c.After == nil)
}

// Apply writes the change.
func (c Change) Apply() error {
	if c.Same() {
		return nil
	}
	if c.After == nil {
		return os.Remove(c.File)
	}
	name := c.File
	if target, err := filepath.EvalSymlinks(name); err == nil {
		name = target // a linked configuration stays a link
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	mode := c.Mode
	if info, err := os.Stat(name); err == nil {
		mode = info.Mode().Perm() | c.Mode&0o111
	}
	temporary := name + ".leasekit-new"
	if err := os.WriteFile(temporary, c.After, mode); err != nil {
		return err
	}
	if err := os.Chmod(temporary, mode); err != nil {
		return err
	}
	return os.Rename(temporary, name)
}

// entry is one event of a host that our program answers.
type entry struct {
	event   string
	matcher string // empty: none
	seconds int    // the host's time-out
	before  bool   // it may refuse
}

// host is how a client is configured.
type host struct {
	file     func(s Setup) string
	entries  []entry
	unit     int  // of the time-out: units a second
	flat     bool // entries stand in the event's list by themselves, without "hooks"
	version  int  // the file's own "version"; 0: none
	named    bool // an entry has a name
	notes    []string
	onlyTree bool // there is no configuration of the user's own
}

const (
	claudeWrites = "Write|Edit|MultiEdit|NotebookEdit|Bash"
	geminiWrites = "write_file|replace|run_shell_command"
	qwenWrites   = "write_file|edit|notebook_edit|run_shell_command"
)

func claudeEntries(writes, reads string) []entry {
	return []entry{
		{event: "PreToolUse", matcher: writes + "|" + reads, seconds: 60, before: true},
		{event: "PostToolUse", matcher: writes + "|" + reads, seconds: 30},
		{event: "PostToolUseFailure", matcher: writes, seconds: 30},
		{event: "UserPromptSubmit", seconds: 10},
		{event: "SessionStart", seconds: 10},
		{event: "Stop", seconds: 10},
		{event: "SubagentStop", seconds: 10},
		{event: "SessionEnd", seconds: 3},
	}
}

func without(all []entry, event string) []entry {
	var out []entry
	for _, e := range all {
		if e.event != event {
			out = append(out, e)
		}
	}
	return out
}

func inHome(variable, dir, name string) func(Setup) string {
	return func(s Setup) string {
		if s.Project != "" {
			return filepath.Join(s.Project, dir, name)
		}
		if variable != "" {
			if set := s.Getenv(variable); filepath.IsAbs(set) {
				return filepath.Join(set, name)
			}
		}
		return filepath.Join(s.Home, dir, name)
	}
}

// configured has the hosts whose configuration is JSON.
var configured = map[hosts.Host]host{
	hosts.Claude: {file: inHome("CLAUDE_CONFIG_DIR", ".claude", "settings.json"), unit: 1, entries: claudeEntries(claudeWrites, "Read")},
	hosts.Codex: {
		file: inHome("CODEX_HOME", ".codex", "hooks.json"), unit: 1,
		entries: without(claudeEntries("*", ""), "PostToolUseFailure"),
		notes:   []string{"Codex runs a hook only after you have trusted it: start codex and trust the new hooks there."},
	},
	hosts.Gemini: {file: inHome("", ".gemini", "settings.json"), unit: 1000, named: true, entries: []entry{
		{event: "BeforeTool", matcher: geminiWrites + "|read_file|read_many_files", seconds: 60, before: true},
		{event: "AfterTool", matcher: geminiWrites + "|read_file|read_many_files", seconds: 30},
		{event: "BeforeAgent", seconds: 10},
		{event: "AfterAgent", seconds: 10},
		{event: "SessionStart", seconds: 10},
		{event: "SessionEnd", seconds: 3},
	}},
	hosts.Qwen: {file: inHome("", ".qwen", "settings.json"), unit: 1000, named: true, entries: without(claudeEntries(qwenWrites, "read_file"), "PostToolUseFailure")},
	hosts.Cursor: {file: inHome("", ".cursor", "hooks.json"), unit: 1, flat: true, version: 1, entries: []entry{
		{event: "preToolUse", seconds: 60, before: true},
		{event: "postToolUse", seconds: 30},
		{event: "postToolUseFailure", seconds: 30},
		{event: "beforeSubmitPrompt", seconds: 10},
		{event: "stop", seconds: 10},
		{event: "subagentStop", seconds: 10},
		{event: "sessionEnd", seconds: 3},
	}, notes: []string{"Cursor's form follows its documentation and was not tried with a running client."}},
	hosts.VSCode: {
		file: func(s Setup) string { return filepath.Join(s.Project, ".github", "hooks", "leasekit.json") },
		unit: 1, flat: true, onlyTree: true,
		entries: []entry{
			{event: "PreToolUse", seconds: 60, before: true},
			{event: "PostToolUse", seconds: 30},
			{event: "UserPromptSubmit", seconds: 10},
			{event: "Stop", seconds: 10},
			{event: "SubagentStop", seconds: 10},
		},
		notes: []string{"VS Code's form follows its documentation and was not tried with a running client."},
	},
}

// Configure returns the change that makes a host call our program, or with
// remove the one that ends it. What else is in the file stays.
func Configure(name hosts.Host, s Setup, remove bool) (Change, error) {
	if name == hosts.OpenCode {
		return configurePlugin(s, remove)
	}
	h, ok := configured[name]
	if !ok {
		return Change{}, fmt.Errorf("no such client: %q", name)
	}
	if h.onlyTree && s.Project == "" {
		return Change{}, fmt.Errorf("%s reads hooks from a work tree only: run this inside of one", name)
	}
	c := Change{File: h.file(s), Mode: 0o644}
	before, err := os.ReadFile(c.File)
	switch {
	case err == nil:
		c.Before = before
	case !errors.Is(err, fs.ErrNotExist):
		return Change{}, err
	}
	file := members{}
	if len(bytes.TrimSpace(before)) > 0 {
		if file, err = parseMembers(before); err != nil {
			return Change{}, fmt.Errorf("%s: %w; it stays as it is, add what --dry-run shows by hand", c.File, err)
		}
	}
	changed, err := h.edit(&file, name, s, remove)
	if err != nil {
		return Change{}, fmt.Errorf("%s: %w", c.File, err)
	}
	switch {
	case !changed:
		c.After = c.Before
	case remove && len(file) == 0 || remove && h.version != 0 && len(file) == 1 && file[0].name == "version":
		c.After = nil // it was ours alone
	default:
		if c.After, err = file.indented(); err != nil {
			return Change{}, err
		}
	}
	if !remove {
		c.Notes = h.notes
	}
	return c, nil
}

// edit takes our entries out of a configuration, and puts the present ones in.
func (h host) edit(file *members, name hosts.Host, s Setup, remove bool) (changed bool, err error) {
	old, err := file.MarshalJSON()
	if err != nil {
		return false, err
	}
	events := members{}
	if raw, ok := file.get("hooks"); ok {
		if events, err = parseMembers(raw); err != nil {
			return false, fmt.Errorf("hooks: %w", err)
		}
	}
	for _, event := range append(members(nil), events...) {
		var list []json.RawMessage
		if json.Unmarshal(event.value, &list) != nil {
			continue // a form of the host's that is not known here
		}
		kept := []json.RawMessage{}
		for _, one := range list {
			if !isOurs(one) {
				kept = append(kept, one)
			}
		}
		switch {
		case len(kept) == len(list):
		case len(kept) == 0:
			events.remove(event.name)
		default:
			events.set(event.name, encode(kept))
		}
	}
	if !remove {
		for _, e := range h.entries {
			var list []json.RawMessage
			if raw, ok := events.get(e.event); ok {
				if err := json.Unmarshal(raw, &list); err != nil {
					return false, fmt.Errorf("hooks.%s: %w", e.event, err)
				}
			}
			events.set(e.event, encode(append(list, h.entry(e, name, s))))
		}
		if h.version != 0 {
			if _, ok := file.get("version"); !ok {
				file.set("version", encode(h.version))
			}
		}
	}
	if len(events) == 0 {
		file.remove("hooks")
	} else {
		raw, err := events.MarshalJSON()
		if err != nil {
			return false, err
		}
		file.set("hooks", raw)
	}
	now, err := file.MarshalJSON()
	return !bytes.Equal(compact(old), compact(now)), err
}

func compact(b []byte) []byte {
	var out bytes.Buffer
	if json.Compact(&out, b) != nil {
		return b
	}
	return out.Bytes()
}

// entry is one event's entry in the host's form.
func (h host) entry(e entry, name hosts.Host, s Setup) json.RawMessage {
	command := members{}
	if !h.flat || name == hosts.VSCode {
		command.set("type", encode("command"))
	}
	if h.named {
		command.set("name", encode("leasekit"))
	}
	command.set("command", encode(s.command(name, e)))
	command.set("timeout", encode(e.seconds*h.unit))
	if s.OnError == "deny" && e.before {
		switch name {
		case hosts.Claude:
			command.set("onFailure", encode("block"))
		case hosts.Cursor:
			command.set("failClosed", encode(true))
		}
	}
	raw, _ := command.MarshalJSON() // never fails
	if h.flat {
		return raw
	}
	group := members{}
	if e.matcher != "" {
		group.set("matcher", encode(strings.Trim(e.matcher, "|")))
	}
	group.set("hooks", encode([]json.RawMessage{raw}))
	raw, _ = group.MarshalJSON()
	return raw
}

// command is the command line that the host runs. A program that is missing
// lets calls pass, unless it stands in a shell that refuses in its place.
func (s Setup) command(name hosts.Host, e entry) string {
	command := quote(s.hook()) + " hook --host " + string(name)
	if s.OnError == "" || !e.before {
		return command
	}
	command += " --on-error " + s.OnError
	if s.OnError == "deny" {
		command += ` || { s=$?; [ "$s" -eq 2 ] || echo "leasekit hook failed with status $s: is leasekit installed?" >&2; exit 2; }`
	}
	return command
}

func (s Setup) hook() string {
	if s.Hook != "" {
		return s.Hook
	}
	return s.Program
}

// isOurs reports whether an entry runs our program.
func isOurs(raw json.RawMessage) bool {
	var e struct {
		Command string
		Hooks   []struct{ Command string }
	}
	if json.Unmarshal(raw, &e) != nil {
		return false
	}
	for _, h := range e.Hooks {
		if !runsHook(h.Command) {
			return false
		}
	}
	return len(e.Hooks) > 0 || runsHook(e.Command)
}

// runsHook reports whether a command line runs our hook.
func runsHook(command string) bool {
	program, rest, ok := strings.Cut(command, " hook --host ")
	name := strings.Trim(program[strings.LastIndexAny(program, `/\`)+1:], `'"`)
	return ok && rest != "" && slices.Contains([]string{"leasekit", "leasekit-hook"}, strings.TrimSuffix(name, ".exe"))
}

func quote(s string) string {
	if !strings.ContainsAny(s, " '\"\\$`;&|<>()*?[]{}~#!\n\t") {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
