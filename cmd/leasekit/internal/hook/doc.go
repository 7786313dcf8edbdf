// Package hook is the one program behind the hooks of all coding-agent hosts.
//
// A host runs it before and after its tools, and when a turn or a session ends.
// Before a tool writes files, the hook claims them for the session; if somebody
// else holds one, it refuses the call in words that a model can act on. It
// never runs anything that a tree brought along.
//
// What it keeps beside the store, a small file for each session, only saves
// work and tells what changed: who holds what is in the store alone.
package hook
