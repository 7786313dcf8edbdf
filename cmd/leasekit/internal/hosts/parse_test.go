package hosts

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write what Parse makes of the recordings to testdata/calls.txt, to be reviewed")

// recordings returns the recorded standard inputs of a host's hooks by name.
func recordings(tb testing.TB, h Host) map[string][]byte {
	tb.Helper()
	names, err := filepath.Glob(filepath.Join("testdata", string(h), "*.json"))
	require.NoError(tb, err)
	out := make(map[string][]byte)
	for _, name := range names {
		b, err := os.ReadFile(name)
		require.NoError(tb, err)
		out[strings.TrimSuffix(filepath.Base(name), ".json")] = b
	}
	return out
}

var recorded = []Host{Claude, Codex, Gemini, Qwen, OpenCode}

// Every recording is understood as calls.txt says, which was reviewed by hand.
func TestRecordings(t *testing.T) {
	var got strings.Builder
	for _, h := range recorded {
		names, err := filepath.Glob(filepath.Join("testdata", string(h), "*.json"))
		require.NoError(t, err)
		require.NotEmpty(t, names, h)
		for _, name := range names {
			input, err := os.ReadFile(name)
			require.NoError(t, err)
			c, err := Parse(input, h)
			require.NoError(t, err, name)
			line, err := json.Marshal(c)
			require.NoError(t, err)
			got.WriteString(filepath.ToSlash(name) + "\n\t" + string(line) + "\n")
		}
	}
	const golden = "testdata/calls.txt"
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(got.String()), 0o600))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), got.String())
}

// Each host's recordings are told from every other host's without being told
// whose they are.
func TestDetect(t *testing.T) {
	for _, h := range recorded {
		for name, input := range recordings(t, h) {
			if h == OpenCode && strings.Contains(name, "init") || strings.Contains(name, "dispose") {
				continue // the recording plugin's own words; ours names the host
			}
			c, err := Parse(input, "")
			require.NoError(t, err, "%s %s", h, name)
			require.Equal(t, h, c.Host, name)
		}
	}
}

// Every recorded tool call of a known tool says what it writes, reads or runs.
func TestNothingIsOverlooked(t *testing.T) {
	for _, h := range recorded {
		for name, input := range recordings(t, h) {
			c, err := Parse(input, h)
			require.NoError(t, err)
			if c.Event != BeforeTool && c.Event != AfterTool {
				continue
			}
			switch c.Kind {
			case Write, Read:
				require.NotEmpty(t, c.Files, name)
			case Shell:
				require.NotEmpty(t, c.Command, name)
			default:
				require.Contains(t, []string{"invoke_agent", "task"}, c.Tool, name)
			}
			if h != OpenCode {
				require.NotEmpty(t, c.Session, name)
				require.NotEmpty(t, c.Dir, name)
			}
			require.Equal(t, strings.HasPrefix(name, "sub-") && c.Tool != "invoke_agent" && h != Gemini && h != OpenCode, c.Agent != "", name)
		}
	}
}

// The hosts that were not recorded, by their documentation.
func TestDocumentedDialects(t *testing.T) {
	for _, c := range []struct {
		name, input string
		want        Call
	}{
		{
			"cursor, a tool",
			`{"conversation_id":"c1","generation_id":"g1","hook_event_name":"preToolUse","workspace_roots":["/r"],"tool_name":"Write","tool_input":{"file_path":"/r/a.go"},"tool_use_id":"t1","cwd":"/r/sub"}`,
			Call{Host: Cursor, Event: BeforeTool, Name: "preToolUse", Session: "c1", Turn: "g1", Dir: "/r/sub", Tool: "Write", ToolCall: "t1", Kind: Write, Files: []string{"/r/a.go"}},
		},
		{
			"cursor, a command",
			`{"conversation_id":"c1","generation_id":"g1","hook_event_name":"beforeShellExecution","workspace_roots":["/r"],"command":"touch a","cwd":""}`,
			Call{Host: Cursor, Event: BeforeTool, Name: "beforeShellExecution", Session: "c1", Turn: "g1", Dir: "/r", Tool: "Shell", Kind: Shell, Command: "touch a"},
		},
		{
			"cursor, after an edit",
			`{"conversation_id":"c1","hook_event_name":"afterFileEdit","workspace_roots":["/r"],"file_path":"/r/a.go","edits":[{"old_string":"a","new_string":"b"}]}`,
			Call{Host: Cursor, Event: AfterTool, Name: "afterFileEdit", Session: "c1", Dir: "/r", Tool: "Write", Kind: Write, Files: []string{"/r/a.go"}},
		},
		{
			"vscode",
			`{"timestamp":"2026-02-09T10:30:00.000Z","cwd":"/r","sessionId":"s1","hookEventName":"PreToolUse","transcript_path":"/t.json","tool_name":"editFiles","tool_input":{"files":["src/main.ts","b.ts"]},"tool_use_id":"tool-123"}`,
			Call{Host: VSCode, Event: BeforeTool, Name: "PreToolUse", Session: "s1", Dir: "/r", Tool: "editFiles", ToolCall: "tool-123", Kind: Write, Files: []string{"src/main.ts", "b.ts"}},
		},
		{
			"vscode, replacements in several files",
			`{"cwd":"/r","sessionId":"s1","hookEventName":"PreToolUse","tool_name":"multi_replace_string_in_file","tool_input":{"replacements":[{"filePath":"/r/a"},{"filePath":"/r/b"},{"filePath":"/r/a"}]}}`,
			Call{Host: VSCode, Event: BeforeTool, Name: "PreToolUse", Session: "s1", Dir: "/r", Tool: "multi_replace_string_in_file", Kind: Write, Files: []string{"/r/a", "/r/b"}},
		},
		{
			"opencode, a sub-agent through our plugin",
			`{"host":"opencode","hook_event_name":"tool.execute.before","parent_id":"ses_1","process_cwd":"/r","hook_input":{"tool":"write","sessionID":"ses_2","callID":"x"},"hook_output":{"args":{"filePath":"a"}}}`,
			Call{Host: OpenCode, Event: BeforeTool, Name: "tool.execute.before", Session: "ses_1", Agent: "ses_2", Dir: "/r", Tool: "write", ToolCall: "x", Kind: Write, Files: []string{"a"}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Parse([]byte(c.input), "")
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

func TestOddFields(t *testing.T) {
	for _, c := range []struct {
		name, input string
		want        func(*testing.T, Call)
	}{
		{"fields of other types", `{"hook_event_name":"PreToolUse","session_id":7,"cwd":null,"agent_id":{},"tool_name":"Write","tool_input":{"file_path":["a"]}}`, func(t *testing.T, c Call) {
			require.Empty(t, c.Session)
			require.Empty(t, c.Files)
		}},
		{"arguments as text", `{"hook_event_name":"PreToolUse","session_id":"s","tool_name":"Write","tool_input":"{\"file_path\":\"a\"}"}`, func(t *testing.T, c Call) {
			require.Equal(t, []string{"a"}, c.Files)
		}},
		{"a command as a list with a shell", `{"hook_event_name":"PreToolUse","session_id":"s","tool_name":"shell","tool_input":{"command":["/bin/bash","-lc","touch a b"]}}`, func(t *testing.T, c Call) {
			require.Equal(t, "touch a b", c.Command)
		}},
		{"a command as a list", `{"hook_event_name":"PreToolUse","session_id":"s","tool_name":"shell","tool_input":{"command":["touch","it's"]}}`, func(t *testing.T, c Call) {
			require.Equal(t, `'touch' 'it'\''s'`, c.Command)
		}},
		{"an unknown event", `{"hook_event_name":"PreCompact","session_id":"s"}`, func(t *testing.T, c Call) {
			require.Equal(t, Other, c.Event)
		}},
		{"an unknown tool", `{"hook_event_name":"PreToolUse","session_id":"s","tool_name":"mcp__x__y","tool_input":{"file_path":"a"}}`, func(t *testing.T, c Call) {
			require.Equal(t, OtherTool, c.Kind)
			require.Empty(t, c.Files)
		}},
		{"a byte order mark", "\ufeff" + `{"hook_event_name":"Stop","session_id":"s"}`, func(t *testing.T, c Call) {
			require.Equal(t, TurnEnd, c.Event)
		}},
		{"UTF-16", utf16Text(`{"hook_event_name":"PreToolUse","session_id":"s","tool_name":"Write","tool_input":{"file_path":"größe"}}`), func(t *testing.T, c Call) {
			require.Equal(t, []string{"größe"}, c.Files)
		}},
		{"a newline in a name", `{"hook_event_name":"PreToolUse","session_id":"s","tool_name":"Write","tool_input":{"file_path":"a\nb"}}`, func(t *testing.T, c Call) {
			require.Equal(t, []string{"a\nb"}, c.Files)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Parse([]byte(c.input), "")
			require.NoError(t, err)
			c.want(t, got)
		})
	}
}

func utf16Text(s string) string {
	b := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(s)) {
		b = append(b, byte(u), byte(u>>8))
	}
	return string(b)
}

func TestUnreadable(t *testing.T) {
	for name, input := range map[string]string{
		"nothing":     "",
		"blanks":      " \n",
		"garbage":     "hello",
		"cut off":     `{"hook_event_name":"PreToolUse","session_id":"s","tool_input":{"file_pa`,
		"a list":      `[1]`,
		"null":        `null`,
		"no event":    `{"session_id":"s"}`,
		"two values":  `{"hook_event_name":"Stop"} {"hook_event_name":"Stop"}`,
		"not UTF-8":   "{\"hook_event_name\":\"PreToolUse\",\"tool_input\":{\"file_path\":\"\xff\"}}",
		"deep":        strings.Repeat(`{"a":`, 20_000) + "1" + strings.Repeat("}", 20_000),
		"half UTF-16": "\xff\xfe{",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte(input), "")
			require.ErrorIs(t, err, ErrInput)
		})
	}
	_, err := Parse([]byte(`{"hook_event_name":"Stop"}`), "emacs")
	require.ErrorIs(t, err, ErrInput)
	_, err = ReadInput(endless{})
	require.ErrorIs(t, err, ErrInput)
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

func fuzzDialect(f *testing.F, h Host) {
	for _, input := range recordings(f, h) {
		f.Add(input)
	}
	f.Add([]byte(`{"hook_event_name":"PreToolUse","tool_name":"Write","tool_input":{"files":[{"path":"a"},"b",3]}}`))
	f.Add([]byte(`{"conversation_id":"c","workspace_roots":[1,"/r"],"hook_event_name":"beforeShellExecution","command":["sh","-c","x"]}`))
	f.Fuzz(func(t *testing.T, input []byte) {
		c, err := Parse(input, h)
		if err != nil {
			require.ErrorIs(t, err, ErrInput)
			return
		}
		require.Equal(t, h, c.Host)
		require.NotEmpty(t, c.Event)
		require.LessOrEqual(t, len(c.Holder()), 256)
		for _, a := range []Answer{Refusal(h, c.Command), Notice(h, c.Prompt), Warning(h, c.Dir)} {
			if a.Stdout != "" {
				require.True(t, json.Valid([]byte(a.Stdout)))
			}
		}
	})
}

func FuzzClaude(f *testing.F)   { fuzzDialect(f, Claude) }
func FuzzCodex(f *testing.F)    { fuzzDialect(f, Codex) }
func FuzzGemini(f *testing.F)   { fuzzDialect(f, Gemini) }
func FuzzQwen(f *testing.F)     { fuzzDialect(f, Qwen) }
func FuzzOpenCode(f *testing.F) { fuzzDialect(f, OpenCode) }
func FuzzCursor(f *testing.F)   { fuzzDialect(f, Cursor) }
func FuzzVSCode(f *testing.F)   { fuzzDialect(f, VSCode) }
