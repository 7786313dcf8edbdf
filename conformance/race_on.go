//go:build race

package conformance

// underRace says that the race detector slows everything down.
const underRace = true
