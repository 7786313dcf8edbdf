package hosts

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode"

	"github.com/leasekit/leasekit/lease"
)

// EnvHolder is the environment variable that names the holder of everything
// that a process asks for. Our plugin for OpenCode sets it for the shell.
const EnvHolder = "LEASEKIT_HOLDER"

// Holder returns the holder's name for a session of a host: "claude:5ec474dc-...".
// The hook, the command and the MCP server of one session use the same.
func Holder(h Host, session string) string {
	return string(h) + ":" + short(session, 100)
}

// AgentHolder returns the holder's name for a sub-agent of a session.
func AgentHolder(h Host, session, agent string) string {
	return Holder(h, session) + "/" + short(agent, 100)
}

// Holder returns who the call acts for, empty if the host gave no session.
func (c Call) Holder() string {
	switch {
	case c.Session == "":
		return ""
	case c.Agent != "":
		return AgentHolder(c.Host, c.Session, c.Agent)
	}
	return Holder(c.Host, c.Session)
}

// short is the name itself if it is short and plain, else a digest of it: a
// holder's name is limited, and is shown on terminals.
func short(name string, most int) string {
	odd := func(r rune) bool { return !unicode.IsPrint(r) || r == '/' || r == unicode.ReplacementChar }
	if len(name) <= most && strings.IndexFunc(name, odd) < 0 {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return "sha256-" + hex.EncodeToString(sum[:16])
}

// sessions has the variables that a host sets for the shells and the servers
// that it starts. Gemini CLI sets none for shells. CLAUDE_PROJECT_DIR and the
// like are no sign: other hosts set them too.
var sessions = []struct {
	variable string
	host     Host
}{
	{"CLAUDE_CODE_SESSION_ID", Claude},
	{"CODEX_SESSION_ID", Codex},
	{"CODEX_THREAD_ID", Codex},
	{"GEMINI_SESSION_ID", Gemini},
	{"QWEN_CODE_SESSION_ID", Qwen},
}

// HolderFromEnv returns the holder of the session that this process runs in, by
// its environment; empty if there is none.
func HolderFromEnv(getenv func(string) string) string {
	if h := getenv(EnvHolder); h != "" && len(h) <= lease.MaxHolderBytes {
		return h
	}
	h, session := SessionFromEnv(getenv)
	if session == "" {
		return ""
	}
	return Holder(h, session)
}

// SessionFromEnv returns the host and the session that this process runs in, by
// the variables that hosts set; empty if there is none.
func SessionFromEnv(getenv func(string) string) (Host, string) {
	for _, s := range sessions {
		if session := getenv(s.variable); session != "" {
			return s.host, session
		}
	}
	return "", ""
}
