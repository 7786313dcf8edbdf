package redisbackend

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestKeysAreReadable(t *testing.T) {
	require.Equal(t, "leasekit:{team-1:prod/eu}:lease", newKeyspace("team-1:prod/eu").key("lease"))
	require.Equal(t, "leasekit:{a%7Db%20%25}:lease", newKeyspace("a}b %").key("lease"))
	require.Equal(t, "leasekit:{%}:lease", newKeyspace("").key("lease"))
	require.Equal(t, []string{"leasekit:{n}:a", "leasekit:{n}:b"}, newKeyspace("n").keys("a", "b"))
}

// FuzzNamespaces proves that two namespaces share a key only if they are the same, that the hash tag is what the
// Cluster specification makes of the key, never empty, and that no byte means something to a glob pattern.
func FuzzNamespaces(f *testing.F) {
	for _, pair := range [][2]string{
		{"", "%"}, {"", "%00"}, {"{", "}"}, {"a}:b{", "a"}, {"a", "A"}, {"%41", "A"}, {"a b", "a\nb"}, {"ü", "u\u0308"},
		{"*", "?"}, {"\xff", "\ufffd"}, {"a:", "a"}, {"}:lease", ""}, {"[a]", "\\a"}, {"\x00", ""},
	} {
		f.Add(pair[0], pair[1])
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		one, other := newKeyspace(a), newKeyspace(b)
		require.Equal(t, a == b, one.key("lease") == other.key("lease"))
		require.NotEqual(t, one.key("lease"), other.key("leases"))
		require.Equal(t, a == b, hashTag(one.key("lease")) == hashTag(other.wakeChannel("p1")))
		require.NotEmpty(t, hashTag(one.key("lease")))
		require.False(t, strings.ContainsAny(one.key("lease"), "*?[]^\\ \"'\r\n\x00"))
		require.False(t, strings.HasPrefix(one.key("lease"), other.prefix) && a != b)
	})
}

// hashTag is the part of a key that the Redis Cluster specification hashes.
func hashTag(key string) string {
	_, rest, ok := strings.Cut(key, "{")
	if !ok {
		return ""
	}
	tag, _, ok := strings.Cut(rest, "}")
	if !ok {
		return ""
	}
	return tag
}

// FuzzWakeMessages proves that what is not a message is told from one, and that IDs come out as they went in.
func FuzzWakeMessages(f *testing.F) {
	f.Add("", "a:b")
	f.Add("3:abc", "1:")
	f.Add("99999999999999999999:a", "-1:a")
	f.Fuzz(func(t *testing.T, first, second string) {
		id, rest, ok := cutID(wakeMessage(first, second))
		require.True(t, ok)
		require.Equal(t, first, id)
		id, rest, ok = cutID(rest)
		require.True(t, ok)
		require.Equal(t, second, id)
		require.Empty(t, rest)
		if id, rest, ok := cutID(first); ok {
			require.LessOrEqual(t, len(id)+len(rest), len(first))
		}
	})
}
