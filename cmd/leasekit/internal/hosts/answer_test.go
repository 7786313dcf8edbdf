package hosts

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// What the recorded clients did with the form of a refusal that this package
// gives: the same object on standard output with exit status 2, and the reason
// on standard error.
func TestRefusalIsTheFormThatWasObeyed(t *testing.T) {
	for _, h := range []Host{Claude, Codex, Gemini, Qwen} {
		b, err := os.ReadFile("testdata/answers/" + string(h) + ".json")
		require.NoError(t, err)
		var answers []struct {
			Case, Answer string
			Written      bool
		}
		require.NoError(t, json.Unmarshal(b, &answers))
		written := make(map[string]bool)
		for _, a := range answers {
			if a.Case == "modes" || a.Case == "modes2" {
				written[a.Answer] = a.Written
			}
		}
		for _, form := range []string{"block", "belt", "exit2", "blocksys"} {
			w, recorded := written[form]
			require.True(t, recorded, "%s %s", h, form)
			require.False(t, w, "%s let %s pass", h, form)
		}
		require.True(t, written["ok"], h) // silence lets pass

		a := Refusal(h, "taken <by> a & b")
		require.Equal(t, "{\"decision\":\"block\",\"reason\":\"taken <by> a & b\"}\n", a.Stdout)
		require.Equal(t, "taken <by> a & b\n", a.Stderr)
		require.Equal(t, 2, a.Status)
	}
	require.Equal(t, Answer{}, Pass())
}

func TestEveryRefusalHasAReason(t *testing.T) {
	for _, h := range All() {
		a := Refusal(h, " \n")
		require.Contains(t, a.Stdout, "refused by leasekit", h)
		require.Contains(t, a.Stderr, "refused by leasekit", h)
		require.Equal(t, 2, a.Status, h)
	}
}

func TestOtherAnswers(t *testing.T) {
	require.JSONEq(t, `{"permission":"deny","user_message":"R","agent_message":"R"}`, Refusal(Cursor, "R").Stdout)
	require.JSONEq(t, `{"hookSpecificOutput":{"hookEventName":"PreToolUse","permissionDecision":"deny","permissionDecisionReason":"R"}}`, Refusal(VSCode, "R").Stdout)
	require.JSONEq(t, `{"hookSpecificOutput":{"hookEventName":"PostToolUse","additionalContext":"N"}}`, Notice(Claude, "N").Stdout)
	require.JSONEq(t, `{"decision":"block","reason":"N"}`, Notice(Gemini, "N").Stdout)
	for _, h := range All() {
		require.Zero(t, Warning(h, "W").Status, h)
		require.Equal(t, "W\n", Warning(h, "W").Stderr, h)
		require.NotContains(t, Warning(h, "W").Stdout, "allow", h)
	}
}

func TestIdentity(t *testing.T) {
	require.Equal(t, "claude:abc", Call{Host: Claude, Session: "abc"}.Holder())
	require.Equal(t, "codex:abc/def", Call{Host: Codex, Session: "abc", Agent: "def"}.Holder())
	require.Empty(t, Call{Host: Codex, Agent: "def"}.Holder())
	odd := Holder(Claude, "a/b\n")
	require.Contains(t, odd, "sha256-")
	require.NotEqual(t, odd, Holder(Claude, "a/b\r"))

	env := map[string]string{"CLAUDE_PROJECT_DIR": "/r", "GEMINI_SESSION_ID": "g"}
	get := func(k string) string { return env[k] }
	require.Equal(t, "gemini:g", HolderFromEnv(get))
	env[EnvHolder] = "opencode:o"
	require.Equal(t, "opencode:o", HolderFromEnv(get))
	require.Empty(t, HolderFromEnv(func(string) string { return "" }))
}

func TestPatchFiles(t *testing.T) {
	patch := "*** Begin Patch\n*** Add File: a b.txt\n+*** Delete File: no\n*** Update File: c\r\n*** Move to: d\n@@\n-*** Add File: no\n*** Delete File: e\n*** End Patch\n"
	require.Equal(t, []string{"a b.txt", "c", "d", "e"}, PatchFiles(patch))
	require.Empty(t, PatchFiles("nothing"))
}
