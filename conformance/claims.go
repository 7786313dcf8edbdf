package conformance

import (
	"fmt"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

// claimCases: which claims exclude each other, and what makes two of them the
// same.
var claimCases = []testCase{
	{"Claims/EveryPair", "two claims of different holders exclude each other if some path is reached by both and one is exclusive", everyPair},
	{"Claims/SiblingPrefix", "a tree covers what is below it, and not what begins with the same letters", func(h *harness) {
		h.hold("a", lease.Trees("src"))
		for _, path := range []string{"srcs", "src.go", "src-", "Src", "sr", "src0/x", "src\u00e9"} {
			h.hold("b", lease.Paths(path))
		}
		h.denied("b", lease.Paths("src/x"))
	}},
	{"Claims/RootTree", "a tree at the root covers every path, and waits for each", func(h *harness) {
		l := h.hold("a", lease.Trees("/"))
		h.denied("b", lease.Paths("x/y"))
		h.denied("b", lease.Paths("/"))
		h.release(l)
		h.hold("a", lease.Paths("x/y/z"))
		h.denied("b", lease.SharedTrees("/"))
	}},
	{"Claims/RootAlone", "the root without its tree is a path like any other", func(h *harness) {
		h.hold("a", lease.Paths("/"))
		h.hold("b", lease.Paths("x"))
		h.denied("b", lease.Paths("/"))
	}},
	{"Claims/AllOrNothing", "if one claim is in the way, none is granted", func(h *harness) {
		held := h.hold("a", lease.Paths("f2"))
		h.denied("b", lease.Paths("f1", "f2", "f3"))
		h.hold("c", lease.Paths("f1", "f3"))
		require.Equal(h, 2, h.denied("b", lease.Paths("f1", "f2", "f3")).Count)
		h.release(held)
		require.Equal(h, 1, h.denied("b", lease.Paths("f1", "f2", "f3")).Count)
	}},
	{"Claims/ReleasedTogether", "the end of a lease frees all that it claimed", func(h *harness) {
		claims := append(lease.Paths("f1", "f2"), lease.Trees("d", "e/f")...)
		h.release(h.hold("a", claims))
		h.hold("b", claims)
	}},
	{"Claims/NormalForm", "a lease shows its claims sorted, spelled in the normal form, duplicates merged to the stronger mode", func(h *harness) {
		l := h.hold("a", []lease.Claim{
			{Path: "b", Mode: lease.Shared}, {Path: "/a//./x/"}, {Path: "b/"}, {Path: "b", Scope: lease.Tree, Mode: lease.Shared},
		})
		want := []lease.Claim{{Path: "a/x"}, {Path: "b"}, {Path: "b", Scope: lease.Tree, Mode: lease.Shared}}
		require.Equal(h, want, l.Claims)
		require.Equal(h, want, h.get(l.ID).Claims)
	}},
	{"Claims/MergedIsExclusive", "a path asked for both shared and exclusively is held exclusively", func(h *harness) {
		h.hold("a", append(lease.SharedPaths("f"), lease.Paths("/f")...))
		h.denied("b", lease.SharedPaths("f"))
	}},
	{"Claims/OwnOverlap", "claims of one request never exclude each other", func(h *harness) {
		h.hold("a", append(lease.Trees("d", "d/e"), lease.SharedPaths("d/e/f")...))
		h.denied("b", lease.SharedPaths("d/e/f"))
	}},
	{"Claims/Spellings", "all spellings of a path are one path", func(h *harness) {
		h.hold("a", lease.Paths("d/e/f"))
		for _, spelled := range []string{"/d/e/f", "d/e/f/", "d//e///f", "./d/./e/f/.", "//d/e/f//"} {
			h.denied("b", lease.Paths(spelled))
		}
	}},
	{"Claims/PathsAreBytes", "paths that differ in case or in their Unicode form are different paths", func(h *harness) {
		for i, path := range []string{"name", "Name", "NAME", "caf\u00e9", "cafe\u0301", "stra\u00dfe", "strasse", "\u017fame", "name ", " name", "name\t"} {
			h.hold(fmt.Sprint("h", i), lease.Trees(path))
		}
		h.counts(11, 0)
	}},
	{"Claims/AnyCharacter", "no character means anything in a path but the slash: not to a query language, not to a pattern, not to a record format", anyCharacter},
	{"Claims/HoldersAreBytes", "holder names compare byte for byte: one that is a prefix, or differs in case or Unicode form, is another", func(h *harness) {
		held := h.hold("a1", lease.Paths("f"))
		for _, other := range []string{"a10", "a", "A1", "a1 ", " a1", "a1\n", "a%", "a_", "*", "a1|", "a1:x", "\u00e11"} {
			h.denied(other, lease.Paths("f"))
			ref := held.Ref()
			ref.Holder = other
			h.lost(h.M.Release(h.Context(), ref), lease.ErrNotHolder)
			_, err := h.M.Renew(h.Context(), ref, 0)
			h.lost(err, lease.ErrNotHolder)
		}
		h.hold("a1", lease.Paths("f"))
	}},
	{"Claims/ManyShare", "any number of holders may share, and an exclusive claim waits for the last of them", func(h *harness) {
		var readers []lease.Lease
		for i := range 5 {
			readers = append(readers, h.hold(fmt.Sprint("r", i), lease.SharedTrees("d")))
		}
		for i, l := range readers {
			require.Equal(h, len(readers)-i, h.denied("w", lease.Paths("d/x")).Count)
			h.release(l)
		}
		h.hold("w", lease.Paths("d/x"))
	}},
	{"Claims/Many", "a lease may have as many claims as the limit says, and each of them counts", func(h *harness) {
		claims := make([]lease.Claim, lease.MaxClaims)
		for i := range claims {
			claims[i] = lease.Claim{Path: fmt.Sprintf("d%03d/f", i), Scope: lease.Scope(i % 2)}
		}
		l := h.hold("a", claims)
		require.Len(h, l.Claims, lease.MaxClaims)
		for _, i := range []int{0, 1, 127, 254, 255} {
			h.denied("b", lease.Paths(claims[i].Path))
		}
		h.release(l)
		h.hold("b", claims)
	}},
	{"Claims/Deep", "the deepest and the longest paths are kept whole, and every tree above covers them", func(h *harness) {
		deep := strings.Repeat("d/", lease.MaxPathDepth-1) + "f"
		long := strings.Repeat(strings.Repeat("l", 255)+"/", 15) + strings.Repeat("m", 256)
		require.Len(h, long, lease.MaxPathBytes)
		h.hold("a", lease.Paths(deep, long))
		h.denied("b", lease.Trees("d"))
		h.denied("b", lease.Trees(strings.Repeat("d/", lease.MaxPathDepth-2)+"d"))
		h.denied("b", lease.SharedPaths(long))
		h.hold("b", lease.Paths(long[:len(long)-1]+"n"))
	}},
	{"Claims/OneOfTwoIsEnough", "a claim clashes with a lease through any of that one's claims", func(h *harness) {
		h.hold("a", append(lease.SharedPaths("x"), lease.Trees("y")...))
		h.hold("b", lease.SharedPaths("x"))
		h.denied("b", lease.SharedPaths("y/z"))
	}},
}

// everyPair holds each kind of claim in turn and tries all kinds against it. It
// decides by looking for a path that both reach, and not by the rule's own
// formula.
func everyPair(h *harness) {
	var all []lease.Claim
	for _, path := range []string{"/", "a", "a/b", "a/b/c", "a/bc", "ab", "b"} {
		for _, mode := range []lease.Mode{lease.Exclusive, lease.Shared} {
			for _, scope := range []lease.Scope{lease.Exact, lease.Tree} {
				all = append(all, lease.Claim{Path: path, Mode: mode, Scope: scope})
			}
		}
	}
	reaches := func(c lease.Claim, path string) bool {
		return c.Path == path || c.Scope == lease.Tree && (c.Path == "/" || strings.HasPrefix(path, c.Path+"/"))
	}
	clash := func(a, b lease.Claim) bool {
		for _, path := range []string{"/", "a", "a/b", "a/b/c", "a/bc", "ab", "b", "z", "a/z", "a/b/z", "a/b/c/z", "a/bc/z", "ab/z", "b/z"} {
			if reaches(a, path) && reaches(b, path) {
				return a.Mode == lease.Exclusive || b.Mode == lease.Exclusive
			}
		}
		return false
	}
	for _, held := range all {
		l := h.hold("a", []lease.Claim{held})
		for _, asked := range all {
			got, err := h.M.TryAcquire(h.Context(), h.request("b", []lease.Claim{asked}))
			if clash(held, asked) {
				require.ErrorIs(h, err, lease.ErrConflict, "%v held, %v asked", held, asked)
			} else {
				require.NoError(h, err, "%v held, %v asked", held, asked)
				h.release(got)
			}
		}
		h.release(l)
	}
}

func anyCharacter(h *harness) {
	names := []string{
		"%", "_", "a%", "*", "?", "[a-z]", "\\", "'", "\"", "`", ";", "--", "|", ":", "{x}", "}", "#", "~", "$1", "@p",
		"\n", "\r\n", "\t", "\x01", "\x1f", "\x7f", " ", "\u00a0", "\u2028", "\ufeff", "\ufffd", "\U0001F512", "\U0010FFFF", "NULL", "0", "-1", "1e3", "true", "...", ".a", "a.", "~x",
	}
	for i, name := range names {
		l := h.hold(fmt.Sprint("h", i), lease.Trees(name))
		require.Equal(h, lease.Trees(name), h.get(l.ID).Claims)
		for l, err := range h.M.List(h.Context(), lease.Query{Path: name + "/x"}) {
			require.NoError(h, err)
			require.Equal(h, lease.Trees(name), l.Claims)
		}
	}
	h.counts(len(names), 0)
	for _, name := range names {
		conflict := h.denied("other", lease.Paths(name+"/x/y"))
		require.Equal(h, 1, conflict.Count, "%q", name)
		require.Equal(h, name, conflict.Blockers[0].Held.Path)
	}
}
