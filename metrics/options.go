package metrics

import (
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/leasekit/leasekit/lease"
)

// Options are what [New] may be told. The zero value, and nil, are the defaults.
type Options struct {
	// ConstLabels are added to every metric: which namespace it is about, where
	// a process has Managers of several.
	ConstLabels prometheus.Labels

	// Group, if set, gives the label "group" of the metrics about requests and
	// leases: FirstSegment, say. It is asked for the first claim's path, which is
	// in normal form, must be quick, and is called by many goroutines at once.
	Group func(path string) string

	// MaxGroups is how many different values of the label there may be; 0 is 50.
	// What comes after them is "other".
	MaxGroups int

	// ReadTimeout bounds what one scrape asks of the store; 0 is 3 seconds.
	ReadTimeout time.Duration
}

const (
	defaultMaxGroups   = 50
	defaultReadTimeout = 3 * time.Second
)

// withDefaults fills in what is not set. A negative number is the default too.
func (o *Options) withDefaults() Options {
	var full Options
	if o != nil {
		full = *o
	}
	if full.MaxGroups <= 0 {
		full.MaxGroups = defaultMaxGroups
	}
	if full.ReadTimeout <= 0 {
		full.ReadTimeout = defaultReadTimeout
	}
	return full
}

// FirstSegment returns a path's first segment, for [Options.Group]: "src" of
// "src/lib/file.go", and [lease.Root] of itself.
func FirstSegment(path string) string {
	if path == lease.Root {
		return path
	}
	first, _, _ := strings.Cut(path, "/")
	return first
}
