package model

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Key tells apart any two states of the same namespace that could answer a
// later call differently. It leaves out the history.
func (m *Model) Key() string {
	var b strings.Builder
	fmt.Fprintln(&b, m.now, m.token, m.arrivals, m.refused, m.config)
	for _, e := range m.entries {
		fmt.Fprintf(&b, "%+v\n", *e)
	}
	for _, name := range slices.Sorted(maps.Keys(m.tombstones)) {
		fmt.Fprintln(&b, name, m.tombstones[name])
	}
	for _, op := range slices.Sorted(maps.Keys(m.forced)) {
		fmt.Fprintln(&b, op, m.forced[op])
	}
	return b.String()
}
