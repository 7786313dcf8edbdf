package hosts

import (
	"encoding/json"
	"strings"
)

// Answer is what a hook's process gives back.
type Answer struct {
	Stdout string
	Stderr string
	Status int // the exit status
}

// Pass lets the call go on. It says nothing: a host would take the word "allow"
// for the user's own permission.
func Pass() Answer { return Answer{} }

const refused = 2 // the exit status that refuses, for every host

// Refusal stops the call. The reason is what the model gets to read; it must
// not be empty. The first five hosts obey one form alike; Cursor and VS Code
// document forms of their own.
func Refusal(h Host, reason string) Answer {
	if strings.TrimSpace(reason) == "" {
		reason = "refused by leasekit" // Codex lets pass what has no reason
	}
	a := Answer{Stderr: reason + "\n", Status: refused}
	switch h {
	case Cursor:
		a.Stdout = encode(map[string]any{"permission": "deny", "user_message": reason, "agent_message": reason})
	case VSCode:
		a.Stdout = encode(map[string]any{"hookSpecificOutput": map[string]any{
			"hookEventName": "PreToolUse", "permissionDecision": "deny", "permissionDecisionReason": reason,
		}})
	default:
		a.Stdout = encode(map[string]any{"decision": "block", "reason": reason})
	}
	return a
}

// Notice tells the model something after its tool has run.
func Notice(h Host, text string) Answer {
	switch h {
	case Claude, Codex, VSCode:
		return Answer{Stdout: encode(map[string]any{"hookSpecificOutput": map[string]any{
			"hookEventName": "PostToolUse", "additionalContext": text,
		}})}
	case Cursor:
		return Answer{Stdout: encode(map[string]any{"additional_context": text})}
	}
	// Where added context does not reach the model, a refusal does; the tool
	// has run already.
	return Refusal(h, text)
}

// Warning lets the call go on and tells the user why nothing was checked.
func Warning(h Host, text string) Answer {
	a := Answer{Stderr: text + "\n"}
	switch h {
	case Claude, Codex, Gemini, Qwen, VSCode:
		a.Stdout = encode(map[string]any{"systemMessage": text})
	case Cursor:
		a.Stdout = encode(map[string]any{"user_message": text})
	}
	return a
}

func encode(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // strings and maps of strings: nothing that could fail
	return b.String()
}
