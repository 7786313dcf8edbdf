//go:build !race

package etcdbackend

import "time"

const (
	partitionTTL = 5 * time.Second // a busy machine grants and keeps a hundred leases within it
	paritySeeds  = 300
)
