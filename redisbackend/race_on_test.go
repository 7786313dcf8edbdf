//go:build race

package redisbackend_test

// paritySeeds is how many random scripts are compared with the model:
// miniredis interprets the Lua ten times slower under the race detector.
const paritySeeds = 6

// differentialSeeds is how many scripts TestDifferential plays.
const differentialSeeds = 2
