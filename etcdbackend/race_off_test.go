//go:build !race

package etcdbackend

const (
	raced       = false
	paritySeeds = 300
)
