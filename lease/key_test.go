package lease_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

func ExampleKey() {
	fmt.Println(lease.Key("job 17"))
	fmt.Println(lease.Key("https://example.org/a?b=100%"))
	// Output:
	// job 17
	// https:%2F%2Fexample.org%2Fa?b=100%25
}

func TestKeyIsOneValidPart(t *testing.T) {
	keys := []string{
		"", ".", "..", "...", "/", "//", "a/b", "a%2Fb", "%", "%%", "%2E", "%2E%2E", "%sha256-", "\x00", "\xff", "\xfe", "�",
		"ä", "a ", " a", "\n", "~", `a\b`, strings.Repeat("x", lease.MaxPathBytes), strings.Repeat("x", lease.MaxPathBytes+1),
		strings.Repeat("/", lease.MaxPathBytes), strings.Repeat("/", lease.MaxPathBytes+1),
	}
	of := map[string]string{}
	for _, key := range keys {
		path := lease.Key(key)
		clean, err := lease.CleanPath(path)
		require.NoError(t, err, "%q", key)
		require.Equal(t, path, clean, "%q", key)
		require.NotContains(t, path, "/")
		other, taken := of[path]
		require.False(t, taken, "%q and %q", key, other)
		of[path] = key
	}
}

func FuzzKey(f *testing.F) {
	f.Add("a/b", "a%2Fb")
	f.Add("", "%")
	f.Add("\xff", "%FF")
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, key := range []string{a, b} {
			path := lease.Key(key)
			if clean, err := lease.CleanPath(path); err != nil || clean != path || strings.Contains(path, "/") {
				t.Errorf("%q: %q, %q, %v", key, path, clean, err)
			}
		}
		if (lease.Key(a) == lease.Key(b)) != (a == b) {
			t.Errorf("%q and %q: %q", a, b, lease.Key(a))
		}
	})
}
