package main

import (
	"bufio"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
)

// A skip is a test that was skipped, or that may be, and why. In an entry of
// the list the test is a pattern, as of [path.Match].
type skip struct {
	Package, Test string
	Reason        string
}

// allows says whether the entry s is about the skipped test.
func (s skip) allows(skipped skip) bool {
	matches, _ := path.Match(s.Test, skipped.Test) // readSkips has checked the pattern
	return s.Package == skipped.Package && matches
}

// readSkips reads a list with an entry on each line:
//
//	RUN PACKAGE TEST REASON...
//
// RUN is the name of a run, or "any". TEST may have a * for any part of a name
// up to the next slash: one case in several topologies is one entry. Empty lines and lines that start with #
// are not entries. Entries of other runs are checked and left out.
func readSkips(list io.Reader, run string) ([]skip, error) {
	var skips []skip
	lines := bufio.NewScanner(list)
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Fields(line)
		if len(fields) < 4 {
			return nil, fmt.Errorf("line %d: want RUN PACKAGE TEST REASON, got %q", number, line)
		}
		if _, err := path.Match(fields[2], ""); err != nil {
			return nil, fmt.Errorf("line %d: %q: %w", number, fields[2], err)
		}
		if fields[0] == run || fields[0] == "any" {
			skips = append(skips, skip{fields[1], fields[2], strings.Join(fields[3:], " ")})
		}
	}
	return skips, lines.Err()
}

// unlisted returns the skips of found that no entry allows, and the entries
// that allow none of found.
func unlisted(found, entries []skip) (unexpected, stale []skip) {
	for _, s := range found {
		if !slices.ContainsFunc(entries, func(e skip) bool { return e.allows(s) }) {
			unexpected = append(unexpected, s)
		}
	}
	for _, e := range entries {
		if !slices.ContainsFunc(found, e.allows) {
			stale = append(stale, e)
		}
	}
	return unexpected, stale
}
