//go:build !race

package postgresbackend

const (
	paritySeeds = 300
	troubles    = 20
)
