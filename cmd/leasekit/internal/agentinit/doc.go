// Package agentinit sets up the hooks of coding-agent hosts and of git, undoes
// that, and finds out whether they work.
package agentinit
