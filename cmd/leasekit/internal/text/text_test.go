package text_test

import (
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/text"
)

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0.0s", 0: "0.0s", 1234 * time.Millisecond: "1.2s", 9940 * time.Millisecond: "9.9s", 59900 * time.Millisecond: "59s",
		time.Minute: "1m00s", 3599 * time.Second: "59m59s", time.Hour: "1h00m", 47 * time.Hour: "47h00m", 50 * time.Hour: "2d02h",
	} {
		require.Equal(t, want, text.Span(d), "%v", d)
	}
}

func FuzzPrintable(f *testing.F) {
	for _, seed := range []string{"plain", "\x1b[2J", "a\nb", "\u202e", "\xff\xfe", "日本", `back\slash`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		shown := text.Printable(s)
		require.True(t, utf8.ValidString(shown))
		for _, r := range shown {
			require.True(t, unicode.IsPrint(r), "%q in %q", r, shown)
		}
	})
}

func TestShellWords(t *testing.T) {
	require.Equal(t, "src/a.go", text.ShellWord("src/a.go"))
	require.Equal(t, `'it'\''s'`, text.ShellWord("it's"))
	require.Equal(t, "''", text.ShellWord(""))
	require.Equal(t, "'$x'", text.ShellWord("$x"))
	require.Equal(t, "'~'", text.ShellWord("~"))
}
