//go:build !race

package redisbackend_test

// paritySeeds is how many random scripts are compared with the model.
const paritySeeds = 60

// differentialSeeds is how many scripts TestDifferential plays.
const differentialSeeds = 12
