//go:build !race

package postgresbackend

const (
	paritySeeds = 60
	troubles    = 20
)
