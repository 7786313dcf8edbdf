package hosts

// Host names a client.
type Host string

// The hosts.
const (
	Claude   Host = "claude"
	Codex    Host = "codex"
	Gemini   Host = "gemini"
	Qwen     Host = "qwen"
	OpenCode Host = "opencode"
	Cursor   Host = "cursor"
	VSCode   Host = "vscode"
)

// All returns every host.
func All() []Host { return []Host{Claude, Codex, Gemini, Qwen, OpenCode, Cursor, VSCode} }

// Event is the moment at which a host calls.
type Event string

// The events. A host has its own names for them.
const (
	SessionStart Event = "session-start"
	Prompt       Event = "prompt"      // the user has said something: a turn begins
	BeforeTool   Event = "before-tool" // the only event that can refuse
	AfterTool    Event = "after-tool"
	TurnEnd      Event = "turn-end"
	AgentStart   Event = "agent-start" // a sub-agent begins
	AgentEnd     Event = "agent-end"
	SessionEnd   Event = "session-end"
	Other        Event = "other" // nothing that matters here
)

// Kind says what a tool does to files.
type Kind string

// The kinds of tools.
const (
	Write     Kind = "write"
	Read      Kind = "read"
	Shell     Kind = "shell"
	OtherTool Kind = ""
)

// Call is one call of a hook, in words that do not depend on the host.
type Call struct {
	Host    Host
	Event   Event
	Name    string // the host's name of the event
	Session string // the host's name of the session; empty if it gave none
	Turn    string // the host's name of the turn; empty if it gave none
	Agent   string // the sub-agent, empty for the session itself
	Dir     string // the working directory of the call, as the host gave it; may be empty
	Prompt  string // of a Prompt event: what the user said

	Tool       string   // the host's name of the tool
	ToolCall   string   // the host's name of this use of the tool; empty if it gave none
	Kind       Kind     // what the tool does
	Files      []string // the files that a Write or Read tool names, as the host wrote them, relative to Dir
	Command    string   // of a Shell tool: the command line
	Background bool     // of a Shell tool: it goes on after the host's after-tool event
}

// events has the hosts' names of the events. They do not contradict each other.
var events = map[string]Event{
	"SessionStart": SessionStart, "sessionStart": SessionStart, "plugin.init": SessionStart, "session.created": SessionStart,
	"UserPromptSubmit": Prompt, "BeforeAgent": Prompt, "beforeSubmitPrompt": Prompt, "chat.message": Prompt,
	"PreToolUse": BeforeTool, "BeforeTool": BeforeTool, "preToolUse": BeforeTool, "tool.execute.before": BeforeTool,
	"beforeShellExecution": BeforeTool, "beforeReadFile": BeforeTool,
	"PostToolUse": AfterTool, "PostToolUseFailure": AfterTool, "AfterTool": AfterTool, "postToolUse": AfterTool,
	"postToolUseFailure": AfterTool, "tool.execute.after": AfterTool, "afterShellExecution": AfterTool, "afterFileEdit": AfterTool,
	"Stop": TurnEnd, "StopFailure": TurnEnd, "AfterAgent": TurnEnd, "stop": TurnEnd, "session.idle": TurnEnd,
	"SubagentStart": AgentStart, "subagentStart": AgentStart,
	"SubagentStop": AgentEnd, "subagentStop": AgentEnd,
	"SessionEnd": SessionEnd, "sessionEnd": SessionEnd, "session.deleted": SessionEnd, "dispose": SessionEnd,
}

// tools has the hosts' names of the tools that matter.
var tools = map[string]Kind{
	// Claude Code; Codex accepts some of them in a matcher.
	"Write": Write, "Edit": Write, "MultiEdit": Write, "NotebookEdit": Write, "Read": Read, "NotebookRead": Read, "Bash": Shell,
	// Codex.
	"apply_patch": Write, "shell": Shell, "local_shell": Shell, "exec_command": Shell,
	// Gemini CLI and Qwen Code.
	"write_file": Write, "replace": Write, "edit": Write, "notebook_edit": Write, "read_file": Read, "run_shell_command": Shell,
	// OpenCode.
	"write": Write, "multiedit": Write, "patch": Write, "read": Read, "bash": Shell,
	// Cursor.
	"StrReplace": Write, "TabWrite": Write, "Delete": Write, "edit_file": Write, "delete_file": Write, "search_replace": Write,
	"Shell": Shell, "run_terminal_cmd": Shell, "TabRead": Read,
	// VS Code.
	"editFiles": Write, "createFile": Write, "create_file": Write, "insert_edit_into_file": Write, "replace_string_in_file": Write,
	"multi_replace_string_in_file": Write, "edit_notebook_file": Write, "editNotebook": Write, "readFile": Read,
	"runInTerminal": Shell, "run_in_terminal": Shell,
}
