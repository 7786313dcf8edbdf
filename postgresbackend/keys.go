package postgresbackend

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/leasekit/leasekit/backend/rules"
	"github.com/leasekit/leasekit/internal/claimkeys"
	"github.com/leasekit/leasekit/lease"
)

// maxKeyPath is up to how many bytes a path is a key by itself. An index holds at
// most 2,700 bytes an entry.
const maxKeyPath = 1000

// spanBits is the room that a namespace has in the keys of leases: for 2^44
// requests, ten thousand a second for 55 years.
const spanBits = 44

// span returns the bounds, both exclusive, of a namespace's keys.
func span(namespace int32) (low, high int64) {
	return int64(namespace) << spanBits, int64(namespace+1) << spanBits
}

// prefix is what the keys of a namespace's paths begin with.
func prefix(namespace int32) string { return strconv.Itoa(int(namespace)) + ":" }

// pathKey returns what stands for a path in lease_claims: the path, or its
// beginning and a hash.
func pathKey(namespace int32, path string) string {
	if len(path) <= maxKeyPath {
		return prefix(namespace) + path
	}
	hash := sha256.Sum256([]byte(path))
	return prefix(namespace) + cut(path) + "\x01" + hex.EncodeToString(hash[:])
}

// cut returns the beginning of a long path, without half a rune at its end.
func cut(path string) string { return strings.ToValidUTF8(path[:maxKeyPath], "") }

// behindAll sorts behind all that may follow in the key of a long path.
var behindAll = strings.Repeat("\U0010FFFF", 30)

// below returns the bounds, both exclusive, of the keys of the paths below a path;
// those of the root include the root itself. Of a path that is too long for that,
// exact is false: there may be others between.
func below(namespace int32, path string) (low, high string, exact bool) {
	const margin = 8 // whatever cut takes away, and the slash
	start := prefix(namespace)
	switch {
	case path == lease.Root:
		return start, strings.TrimSuffix(start, ":") + ";", true // ';' follows ':'
	case len(path) > maxKeyPath-margin:
		start += strings.ToValidUTF8(path[:maxKeyPath-margin], "")
		return start, start + behindAll, false
	}
	return start + path + "/", start + path + "0", true // '0' follows '/'
}

// keys are where in lease_claims conflicts with claims are found: points of
// (path, kind), and ranges of paths of one kind.
type keys struct {
	paths []string
	kinds []int16

	lows, highs []string
	rangeKinds  []int16

	exact bool // nothing else is found there
}

type point struct {
	path string
	kind int16
}

// keysOver returns the keys for an overlap.
func keysOver(namespace int32, o rules.Overlap) keys {
	k := keys{exact: true}
	seen := make(map[point]bool)
	add := func(path string, kinds []int) {
		path = pathKey(namespace, path)
		for _, kind := range kinds {
			if p := (point{path, int16(kind)}); !seen[p] {
				seen[p] = true
				k.paths, k.kinds = append(k.paths, p.path), append(k.kinds, p.kind)
			}
		}
	}
	for _, c := range o.Claims {
		add(c.Path, claimkeys.At(c, o.Shared))
		for _, up := range claimkeys.Above(c.Path) {
			add(up, claimkeys.Over(c, o.Shared))
		}
		if c.Scope != lease.Tree {
			continue
		}
		low, high, exact := below(namespace, c.Path)
		k.exact = k.exact && exact
		for _, kind := range claimkeys.At(c, o.Shared) {
			k.lows, k.highs, k.rangeKinds = append(k.lows, low), append(k.highs, high), append(k.rangeKinds, int16(kind))
		}
	}
	return k
}
