package lease

import (
	"cmp"
	"slices"
	"strings"
)

// Claim is one path asked for, how (mode) and how far down (scope). The zero
// Mode and Scope are [Exclusive] and [Exact].
type Claim struct {
	Path  string `json:"path"`
	Mode  Mode   `json:"mode"`
	Scope Scope  `json:"scope"`
}

// String returns the claim in short: "a/b", "a/b (shared)", "a/** (tree)".
func (c Claim) String() string {
	s := c.Path
	if c.Scope == Tree {
		s = strings.TrimSuffix(s, Root) + "/**"
	}
	if c.Mode == Shared {
		s += " (shared)"
	}
	return s
}

// Paths returns exclusive claims on exactly these paths.
func Paths(paths ...string) []Claim { return claims(paths, Exclusive, Exact) }

// SharedPaths returns shared claims on exactly these paths.
func SharedPaths(paths ...string) []Claim { return claims(paths, Shared, Exact) }

// Trees returns exclusive claims on these paths and everything below them.
func Trees(paths ...string) []Claim { return claims(paths, Exclusive, Tree) }

// SharedTrees returns shared claims on these paths and everything below them.
func SharedTrees(paths ...string) []Claim { return claims(paths, Shared, Tree) }

func claims(paths []string, m Mode, s Scope) []Claim {
	cs := make([]Claim, len(paths))
	for i, p := range paths {
		cs[i] = Claim{Path: p, Mode: m, Scope: s}
	}
	return cs
}

// Covers reports whether the claim reaches the path: it names it, or is a tree
// over it. Both must be in normal form ([CleanPath]).
func Covers(c Claim, path string) bool {
	return c.Path == path || c.Scope == Tree && Below(path, c.Path)
}

// Overlap reports whether some path is reached by both claims. It is
// symmetric. Both must be in normal form.
func Overlap(a, b Claim) bool { return Covers(a, b.Path) || Covers(b, a.Path) }

// Conflict reports whether two claims of different holders exclude each other:
// they overlap and at least one is exclusive. It is symmetric.
func Conflict(a, b Claim) bool {
	return (a.Mode == Exclusive || b.Mode == Exclusive) && Overlap(a, b)
}

// CleanClaims returns the claims with their paths in normal form, sorted, and
// with duplicates (same path and scope) merged to the stronger mode. Claims
// beyond the limits ([MaxClaims], [MaxPathsBytes], [MaxPathParts]) or with a bad path, mode or
// scope are [ErrInvalid]. The argument is not changed.
func CleanClaims(in []Claim) ([]Claim, error) {
	if len(in) == 0 {
		return nil, Invalid("claims", "none given")
	}
	if len(in) > MaxClaims {
		return nil, Invalid("claims", "%d given, at most %d", len(in), MaxClaims)
	}
	out := make([]Claim, len(in))
	size, parts := 0, 0
	for i, c := range in {
		path, err := CleanPath(c.Path)
		if err != nil {
			return nil, err
		}
		if int(c.Mode) >= len(modeNames) {
			return nil, Invalid("mode", "no such value: %d", c.Mode)
		}
		if int(c.Scope) >= len(scopeNames) {
			return nil, Invalid("scope", "no such value: %d", c.Scope)
		}
		size += len(path)
		if path != Root {
			parts += 1 + strings.Count(path, "/")
		}
		out[i] = Claim{Path: path, Mode: c.Mode, Scope: c.Scope}
	}
	if size > MaxPathsBytes {
		return nil, Invalid("claims", "%d bytes of paths, at most %d", size, MaxPathsBytes)
	}
	if parts > MaxPathParts {
		return nil, Invalid("claims", "%d parts of paths, at most %d", parts, MaxPathParts)
	}
	if len(out) == 1 {
		return out, nil
	}
	slices.SortFunc(out, func(a, b Claim) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), cmp.Compare(a.Scope, b.Scope), cmp.Compare(a.Mode, b.Mode))
	})
	// The exclusive one of two duplicates sorts first, so the first is kept.
	return slices.CompactFunc(out, func(a, b Claim) bool {
		return a.Path == b.Path && a.Scope == b.Scope
	}), nil
}
