//go:build race

package postgresbackend

// The race detector makes everything several times slower.
const (
	paritySeeds = 20
	troubles    = 6
)
