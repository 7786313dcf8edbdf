package sqlitebackend

// The keys of leases (arrival) and lease_history (place) are single integers
// for all namespaces. Each namespace has a span of them to itself, with room
// for 2^44 requests and as many events: ten thousand a second for 55 years. Nobody
// reads rows of another namespace who names both bounds.
const (
	spanBits       = 44
	mostNamespaces = 1 << (62 - spanBits) // in one file
)

// span returns the bounds, both exclusive, of a namespace's keys.
func span(namespace int64) (low, high int64) {
	return base(namespace), base(namespace + 1)
}

// base is what a namespace's numbers, which begin with 1, are added to.
func base(namespace int64) int64 { return namespace << spanBits }
