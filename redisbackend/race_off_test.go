//go:build !race

package redisbackend_test

// underRace says that the race detector slows everything down.
const underRace = false

// paritySeeds is how many random scripts are compared with the model.
const paritySeeds = 60

// differentialSeeds is how many scripts TestDifferential plays.
const differentialSeeds = 12
