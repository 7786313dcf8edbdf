package hosts

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxInput bounds what is read of a hook's standard input, in bytes. A host
// sends the whole content of the file that it is about to write.
const MaxInput = 64 << 20

// ErrInput: what a host sent cannot be understood. The message says why.
var ErrInput = errors.New("unreadable hook input")

// ReadInput reads a hook's standard input to its end. More than [MaxInput] bytes are
// ErrInput.
func ReadInput(r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, MaxInput+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrInput, err)
	case len(b) > MaxInput:
		return nil, fmt.Errorf("%w: more than %d bytes", ErrInput, MaxInput)
	}
	return b, nil
}

// Parse understands what a host sent. An empty host is found out by the
// fields. Fields, events and tools that are not known are passed over; what is
// no JSON object, or names no event, is ErrInput.
func Parse(input []byte, host Host) (Call, error) {
	input, err := toUTF8(input)
	if err != nil {
		return Call{}, err
	}
	var f fields
	if err := json.Unmarshal(input, &f); err != nil {
		return Call{}, fmt.Errorf("%w: %d bytes: %w", ErrInput, len(input), err)
	}
	if f == nil {
		return Call{}, fmt.Errorf("%w: null", ErrInput)
	}
	if host == "" {
		host = detect(f)
	}
	parse := parseCommon
	switch host {
	case OpenCode:
		parse = parseOpenCode
	case Cursor:
		parse = parseCursor
	case Claude, Codex, Gemini, Qwen, VSCode:
	default:
		return Call{}, fmt.Errorf("%w: unknown host %q", ErrInput, host)
	}
	c := parse(f)
	c.Host = host
	if c.Name == "" {
		return Call{}, fmt.Errorf("%w: it names no event (host %s)", ErrInput, host)
	}
	if c.Event == "" {
		c.Event = Other
	}
	return c, nil
}

// detect finds out the host by its fields. A recording of each host's every
// event proves it (TestDetect). What could be any host's is taken for Claude
// Code's, whose form the others imitate.
func detect(f fields) Host {
	transcript := strings.ReplaceAll(f.text("transcript_path"), `\`, "/")
	event := f.text("hook_event_name", "hookEventName")
	switch {
	case f.has("hook_input"), f.has("hook_output"), f.text("host") == string(OpenCode):
		return OpenCode
	case f.has("conversation_id"), f.has("cursor_version"), f.has("workspace_roots"):
		return Cursor
	case f.has("hookEventName"), f.has("sessionId"), f.object("tool_input").has("files"):
		return VSCode
	case f.has("turn_id"), strings.Contains(transcript, "/.codex/"):
		return Codex
	case strings.HasPrefix(event, "Before"), strings.HasPrefix(event, "AfterTool"), event == "AfterAgent",
		strings.Contains(transcript, "/.gemini/"):
		return Gemini
	case strings.Contains(transcript, "/.qwen/"), f.has("tool_call_id"):
		return Qwen
	case strings.Contains(transcript, "/.claude/"), f.has("effort"):
		return Claude
	case f.has("timestamp"):
		return VSCode
	}
	return Claude
}

// parseCommon reads the form that Claude Code began and Codex, Gemini CLI, Qwen
// Code and VS Code share.
func parseCommon(f fields) Call {
	input := f.object("tool_input")
	c := Call{
		Name:     f.text("hook_event_name", "hookEventName"),
		Session:  f.text("session_id", "sessionId"),
		Turn:     f.text("turn_id", "prompt_id"),
		Agent:    f.text("agent_id", "agentId"),
		Dir:      f.text("cwd"),
		Prompt:   f.text("prompt"),
		Tool:     f.text("tool_name", "toolName"),
		ToolCall: f.text("tool_use_id", "toolUseId"),
	}
	c.Event = events[c.Name]
	c.use(input)
	return c
}

// use fills in what the call's tool is about to do, or did.
func (c *Call) use(input fields) {
	if c.Event != BeforeTool && c.Event != AfterTool {
		return
	}
	c.Kind = tools[c.Tool]
	switch c.Kind {
	case Write, Read:
		c.Files = input.files()
		// Codex puts the patch where others have a command.
		if patch := input.text("command"); c.Kind == Write && strings.Contains(patch, patchBegin) {
			c.Files = append(c.Files, PatchFiles(patch)...)
		}
	case Shell:
		c.Command = input.command()
		c.Background = input.flag("run_in_background", "is_background", "isBackground")
		if dir := input.text("workdir", "directory", "dir_path"); dir != "" {
			c.Dir = joinDir(c.Dir, dir)
		}
	}
}

// joinDir is a folder that may be relative to another.
func joinDir(base, dir string) string {
	if base == "" || strings.HasPrefix(dir, "/") || strings.HasPrefix(dir, `\`) || len(dir) > 1 && dir[1] == ':' {
		return dir
	}
	return base + "/" + dir
}

// parseOpenCode reads what our plugin for OpenCode sends: the two arguments of
// the plugin's own hook, and where it runs.
func parseOpenCode(f fields) Call {
	in, out := f.object("hook_input"), f.object("hook_output")
	c := Call{
		Name:     f.text("hook_event_name"),
		Session:  in.text("sessionID"),
		Dir:      f.text("process_cwd", "directory", "cwd"),
		Prompt:   f.text("prompt"),
		Tool:     in.text("tool"),
		ToolCall: in.text("callID"),
	}
	if c.Session == "" {
		c.Session = f.text("session_id")
	}
	if c.Tool == "" {
		c.Tool = f.text("tool_name")
	}
	// A sub-agent is a session of its own that has a parent.
	if parent := f.text("parent_id"); parent != "" && parent != c.Session {
		c.Session, c.Agent = parent, c.Session
	}
	args := f.object("tool_input")
	switch {
	case out.has("args"):
		args = out.object("args")
	case in.has("args"):
		args = in.object("args")
	}
	if c.Name == "" {
		c.Name = openCodeEvent(c.Tool, in, out)
	}
	c.Event = events[c.Name]
	c.use(args)
	return c
}

// openCodeEvent finds out which hook of the plugin it was, where the plugin did
// not say so.
func openCodeEvent(tool string, in, out fields) string {
	switch {
	case tool == "init":
		return "plugin.init"
	case tool == "dispose" && in == nil:
		return "dispose"
	case out.has("env"):
		return "shell.env"
	case in.has("args"):
		return "tool.execute.after"
	case out.has("args"):
		return "tool.execute.before"
	}
	return ""
}

// parseCursor reads Cursor's form, by its documentation.
func parseCursor(f fields) Call {
	c := Call{
		Name:     f.text("hook_event_name", "hookEventName"),
		Session:  f.text("conversation_id", "session_id"),
		Turn:     f.text("generation_id"),
		Agent:    f.text("subagent_id", "agent_id"),
		Dir:      f.text("cwd"),
		Prompt:   f.text("prompt"),
		Tool:     f.text("tool_name"),
		ToolCall: f.text("tool_use_id"),
	}
	if c.Dir == "" {
		for _, raw := range f.list("workspace_roots") {
			if json.Unmarshal(raw, &c.Dir) == nil && c.Dir != "" {
				break
			}
		}
	}
	c.Event = events[c.Name]
	switch c.Name {
	case "beforeShellExecution", "afterShellExecution":
		c.Tool = "Shell"
		c.use(f) // the command stands beside the event's name
	case "afterFileEdit":
		c.Tool = "Write"
		c.use(f)
	case "beforeReadFile":
		c.Tool = "Read"
		c.use(f)
	default:
		c.use(f.object("tool_input"))
	}
	return c
}

var (
	bomUTF8  = []byte{0xef, 0xbb, 0xbf}
	bomLE    = []byte{0xff, 0xfe}
	bomBE    = []byte{0xfe, 0xff}
	errUTF8  = fmt.Errorf("%w: not UTF-8", ErrInput)
	errEmpty = fmt.Errorf("%w: nothing on standard input; a host runs this command, not a person", ErrInput)
)

// toUTF8 drops a byte order mark and turns UTF-16, which PowerShell may make of
// what passes through it, into UTF-8. A file name that is not what the host
// meant would be claimed in place of the right one, so anything else is an
// error.
func toUTF8(b []byte) ([]byte, error) {
	switch {
	case bytes.HasPrefix(b, bomUTF8):
		b = b[len(bomUTF8):]
	case bytes.HasPrefix(b, bomLE):
		b = fromUTF16(b[2:], binary.LittleEndian)
	case bytes.HasPrefix(b, bomBE):
		b = fromUTF16(b[2:], binary.BigEndian)
	}
	if len(bytes.TrimSpace(b)) == 0 {
		return nil, errEmpty
	}
	if !utf8.Valid(b) {
		return nil, errUTF8
	}
	return b, nil
}

func fromUTF16(b []byte, order binary.ByteOrder) []byte {
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = order.Uint16(b[2*i:])
	}
	return []byte(string(utf16.Decode(units)))
}
