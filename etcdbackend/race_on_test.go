//go:build race

package etcdbackend

import "time"

// The race detector makes everything several times slower.
const (
	partitionTTL = 15 * time.Second // a busy machine grants and keeps a hundred leases within it
	paritySeeds  = 25
)
