//go:build race

package redisbackend_test

// underRace says that the race detector slows everything down.
const underRace = true

// paritySeeds is how many random scripts are compared with the model:
// miniredis interprets the Lua ten times slower under the race detector.
const paritySeeds = 6

// differentialSeeds is how many scripts TestDifferential plays.
const differentialSeeds = 2
