package metrics

import (
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/leasekit/leasekit/backend"
)

const granted = "granted" // what "ok" is called of a request

// The values of labels. Their counters are there from the start, with 0: a
// counter that first appears with 1 has no increase that Prometheus could see.
var (
	acquireWords = []string{
		granted, "conflict", "timeout", "deadlock", "quota", "cancelled", "closed", "unavailable", "regressed",
		"expired", "released", "revoked", "replaced", "not_holder", "not_found", "invalid", "disabled",
	}
	renewWords = []string{
		"ok", "expired", "released", "revoked", "replaced", "not_holder", "not_found",
		"renewal_limit", "invalid", "timeout", "cancelled", "closed", "unavailable", "regressed",
	}
	releaseWords  = []string{"ok", "expired", "revoked", "replaced", "not_holder", "not_found", "timeout", "cancelled", "closed", "unavailable"}
	lostOps       = []string{"acquire", "try_acquire", "renew", "release"}
	lostWords     = []string{"expired", "released", "revoked", "replaced", "not_holder", "not_found"}
	sweepWords    = []string{"ok", "timeout", "cancelled", "closed", "unavailable"}
	sweptKinds    = []string{"expired", "lapsed", "forgotten", "trimmed"}
	failureWords  = []string{"timeout", "unavailable", "regressed"}
	withdrawWords = []string{"ok", "timeout", "closed", "unavailable"}
)

// word returns backend.ErrorLabel, as this package uses it: what the store says
// without being an error of package lease is "unavailable".
func word(err error) string {
	if w := backend.ErrorLabel(err); w != "other" {
		return w
	}
	return "unavailable"
}

// outcome is word for a request.
func outcome(err error) string {
	if err == nil {
		return granted
	}
	return word(err)
}

// snake is an operation as the value of a label: "force_release".
func snake(op string) string { return strings.ReplaceAll(op, " ", "_") }

// counters are a counter's children by the value of one label. The common ones
// are found without a lock.
type counters struct {
	vec   *prometheus.CounterVec
	known map[string]prometheus.Counter
	left  []string // the values of the labels before that one
}

func newCounters(vec *prometheus.CounterVec, words []string, left ...string) counters {
	c := counters{vec: vec, known: make(map[string]prometheus.Counter, len(words)), left: left}
	for _, w := range words {
		c.known[w] = c.child(w)
	}
	return c
}

func (c counters) child(word string) prometheus.Counter {
	return c.vec.WithLabelValues(append(c.left[:len(c.left):len(c.left)], word)...)
}

func (c counters) of(word string) prometheus.Counter {
	if known, ok := c.known[word]; ok {
		return known
	}
	return c.child(word)
}

// histograms are a histogram's children by the value of one label. Each is made
// when first used: it is two dozen series.
type histograms struct {
	vec  *prometheus.HistogramVec
	left []string
	made sync.Map // word: prometheus.Observer
}

func (h *histograms) of(word string) prometheus.Observer {
	if made, ok := h.made.Load(word); ok {
		return made.(prometheus.Observer)
	}
	child := h.vec.WithLabelValues(append(h.left[:len(h.left):len(h.left)], word)...)
	h.made.Store(word, child)
	return child
}
