package lease

import "strings"

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

func overlap(a, b Claim) bool { return Covers(a, b.Path) || Covers(b, a.Path) }

// Conflict reports whether two claims of different holders exclude each other:
// they overlap (some path is reached by both) and at least one is exclusive. It is
// symmetric. Both must be in normal form.
func Conflict(a, b Claim) bool {
	return (a.Mode == Exclusive || b.Mode == Exclusive) && overlap(a, b)
}
