//go:build !race

package redisbackend_test

// paritySeeds is how many random scripts are compared with the model.
const paritySeeds = 300

// differentialSeeds is how many scripts TestDifferential plays.
const differentialSeeds = 12
