// Package hosts knows the dialects of coding-agent clients: what they write to
// a hook's standard input, and which answers they obey.
//
// A host is a client that runs hooks: Claude Code, Codex, Gemini CLI, Qwen
// Code, OpenCode, Cursor, VS Code. [Parse] turns a host's JSON into a [Call],
// whatever the dialect; [Refusal], [Notice] and [Warning] turn words into the
// answer that the host obeys.
//
// The dialects of the first five were recorded from running clients; the
// recordings are in testdata. Those of Cursor and VS Code follow their
// documentation.
package hosts
