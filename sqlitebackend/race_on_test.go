//go:build race

package sqlitebackend

// underRace says that the race detector slows everything down.
const underRace = true
