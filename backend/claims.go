package backend

import (
	"cmp"
	"slices"
	"strings"

	"github.com/leasekit/leasekit/lease"
)

// CleanClaims returns the claims with their paths in normal form, sorted, and
// with duplicates (same path and scope) merged to the stronger mode. Claims
// beyond the limits ([lease.MaxClaims], [lease.MaxPathsBytes], [lease.MaxPathParts]) or with a bad path, mode or
// scope are [lease.ErrInvalid]. The argument is not changed.
func CleanClaims(in []lease.Claim) ([]lease.Claim, error) {
	if len(in) == 0 {
		return nil, lease.Invalid("claims", "none given")
	}
	if len(in) > lease.MaxClaims {
		return nil, lease.Invalid("claims", "%d given, at most %d", len(in), lease.MaxClaims)
	}
	out := make([]lease.Claim, len(in))
	size, parts := 0, 0
	for i, c := range in {
		path, err := lease.CleanPath(c.Path)
		if err != nil {
			return nil, err
		}
		if c.Mode > lease.Shared {
			return nil, lease.Invalid("mode", "no such value: %d", c.Mode)
		}
		if c.Scope > lease.Tree {
			return nil, lease.Invalid("scope", "no such value: %d", c.Scope)
		}
		size += len(path)
		if path != lease.Root {
			parts += 1 + strings.Count(path, "/")
		}
		out[i] = lease.Claim{Path: path, Mode: c.Mode, Scope: c.Scope}
	}
	if size > lease.MaxPathsBytes {
		return nil, lease.Invalid("claims", "%d bytes of paths, at most %d", size, lease.MaxPathsBytes)
	}
	if parts > lease.MaxPathParts {
		return nil, lease.Invalid("claims", "%d parts of paths, at most %d", parts, lease.MaxPathParts)
	}
	if len(out) == 1 {
		return out, nil
	}
	slices.SortFunc(out, func(a, b lease.Claim) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), cmp.Compare(a.Scope, b.Scope), cmp.Compare(a.Mode, b.Mode))
	})
	// The exclusive one of two duplicates sorts first, so the first is kept.
	return slices.CompactFunc(out, func(a, b lease.Claim) bool {
		return a.Path == b.Path && a.Scope == b.Scope
	}), nil
}
