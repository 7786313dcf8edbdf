package main

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
)

// A skip is a test that is skipped, or may be, and why.
type skip struct {
	Package, Test string
	Reason        string
}

func (s skip) same(other skip) bool {
	return s.Package == other.Package && s.Test == other.Test
}

// readSkips reads a list with an entry on each line:
//
//	RUN PACKAGE TEST REASON...
//
// RUN is the name of a run, or "any". Empty lines and lines that start with #
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
		if fields[0] == run || fields[0] == "any" {
			skips = append(skips, skip{fields[1], fields[2], strings.Join(fields[3:], " ")})
		}
	}
	return skips, lines.Err()
}

// unlisted returns the skips of found that have no entry in allowed, and the
// entries of allowed that were not found.
func unlisted(found, allowed []skip) (unexpected, stale []skip) {
	for _, s := range found {
		if !slices.ContainsFunc(allowed, s.same) {
			unexpected = append(unexpected, s)
		}
	}
	for _, s := range allowed {
		if !slices.ContainsFunc(found, s.same) {
			stale = append(stale, s)
		}
	}
	return unexpected, stale
}
