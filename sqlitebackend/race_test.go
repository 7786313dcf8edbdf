//go:build race

package sqlitebackend

// paritySeeds is how many random scripts are compared with the model:
// each takes seconds under the race detector.
const paritySeeds = 3
