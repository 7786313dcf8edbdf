//go:build race

package etcdbackend

// raced: the race detector makes everything several times slower.
const (
	raced       = true
	paritySeeds = 25
)
