// Package text turns leases, durations and names into words for people.
package text

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/leasekit/leasekit/lease"
)

// Printable returns text that a terminal only shows: what somebody else put into
// a holder's name, a path or a label cannot move the cursor or hide a line.
func Printable(s string) string {
	if utf8.ValidString(s) && strings.IndexFunc(s, hidden) < 0 {
		return s
	}
	q := strconv.Quote(s)
	return q[1 : len(q)-1]
}

// Lines is Printable that keeps the ends of lines.
func Lines(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = Printable(l)
	}
	return strings.Join(lines, "\n")
}

// hidden reports whether a rune does something other than to be seen, such as
// to control the terminal or to change the direction of the text.
func hidden(r rune) bool { return r != ' ' && !unicode.IsPrint(r) }

// Span is a duration for people: "3s", "4m12s", "2h05m", "3d04h".
func Span(d time.Duration) string {
	if d < 0 {
		d = 0
	}
	two := func(n time.Duration) string {
		if n < 10 {
			return "0" + strconv.Itoa(int(n))
		}
		return strconv.Itoa(int(n))
	}
	switch {
	case d < 10*time.Second:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + "s"
	case d < time.Minute:
		return strconv.Itoa(int(d/time.Second)) + "s"
	case d < time.Hour:
		return strconv.Itoa(int(d/time.Minute)) + "m" + two(d%time.Minute/time.Second) + "s"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d/time.Hour)) + "h" + two(d%time.Hour/time.Minute) + "m"
	}
	return strconv.Itoa(int(d/(24*time.Hour))) + "d" + two(d%(24*time.Hour)/time.Hour) + "h"
}

// Clock is a moment for people: the time of the day, with the date if that is another
// one.
func Clock(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	t, now = t.Local(), now.Local()
	if t.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return t.Format(time.TimeOnly)
	}
	return t.Format(time.DateTime)
}

// Claims names claims in one cell, at most so many of them; 0 is all.
func Claims(claims []lease.Claim, most int) string {
	var b strings.Builder
	for i, c := range claims {
		if most > 0 && i == most {
			b.WriteString(" +" + strconv.Itoa(len(claims)-most))
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(Printable(c.String()))
	}
	return b.String()
}

// Labels names labels in one cell, sorted by key.
func Labels(labels map[string]string) string {
	var parts []string
	for _, key := range SortedKeys(labels) {
		parts = append(parts, key+"="+labels[key])
	}
	return strings.Join(parts, ",")
}

// ShellQuote quotes a word for a POSIX shell.
func ShellQuote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// ShellWord quotes a word only if a shell would not take it as it is.
func ShellWord(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("./_-+:@%,=", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return ShellQuote(s)
}

// SortedKeys returns a map's keys in order.
func SortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
