package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// event is one line of `go test -json`; see `go doc test2json`.
type event struct {
	Action     string
	Package    string
	ImportPath string
	Test       string
	Output     string
}

type testName struct{ pkg, test string }

// A report prints each package as it ends, with the output of what failed, and
// keeps the counts.
type report struct {
	out                     io.Writer
	pending                 map[testName]*strings.Builder // output of tests that have not ended
	passed, failed, skipped int
	failures                []string // tests, and packages that failed as a whole
	skips                   []skip
}

func newReport(out io.Writer) *report {
	return &report{out: out, pending: map[testName]*strings.Builder{}}
}

func (r *report) read(in io.Reader) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			r.line(line)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *report) line(line string) {
	var e event
	if err := json.Unmarshal([]byte(line), &e); err != nil {
		// What go test says outside of JSON, such as the download of a module.
		fmt.Fprint(r.out, line)
		return
	}
	if e.Test == "" {
		r.packageEvent(e)
	} else {
		r.testEvent(e)
	}
}

func (r *report) testEvent(e event) {
	name := testName{e.Package, e.Test}
	output, running := r.pending[name]
	if !running {
		output = new(strings.Builder)
		r.pending[name] = output
	}
	switch e.Action {
	case "output":
		output.WriteString(e.Output)
		return
	case "pass":
		r.passed++
	case "fail":
		r.fail(name)
		fmt.Fprint(r.out, output)
	case "skip":
		r.skipped++
		r.skips = append(r.skips, skip{e.Package, e.Test, skipReason(output.String())})
	default: // run, pause, cont, bench, start
		return
	}
	delete(r.pending, name)
}

func (r *report) packageEvent(e event) {
	switch e.Action {
	case "output", "build-output":
		switch {
		case e.Output == "PASS\n": // said again by the closing line
		case strings.HasPrefix(e.Output, "-test.shuffle "):
			fmt.Fprint(r.out, e.Package, " ", e.Output) // packages run side by side
		default:
			fmt.Fprint(r.out, e.Output)
		}
	case "fail":
		// Tests that were running when their process died have no end of their own.
		for name, output := range r.pending {
			if name.pkg == e.Package {
				r.fail(name)
				fmt.Fprintf(r.out, "%s%s %s did not end\n", output, name.pkg, name.test)
				delete(r.pending, name)
			}
		}
		r.failures = append(r.failures, e.Package)
	}
}

func (r *report) fail(name testName) {
	r.failed++
	r.failures = append(r.failures, name.pkg+" "+name.test)
}

// skipReason finds what a test gave as its reason in its output, which looks
// like "=== RUN ...", "    file.go:1: reason", "--- SKIP: ...".
func skipReason(output string) string {
	var reason []string
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "===") && !strings.HasPrefix(line, "---") {
			reason = append(reason, line)
		}
	}
	return strings.Join(reason, " / ")
}

// close prints the failures, the skips and the counts, and says whether all is well.
func (r *report) close(allowed []skip) bool {
	for _, failure := range r.failures {
		fmt.Fprintf(r.out, "FAIL: %s\n", failure)
	}
	unexpected, stale := unlisted(r.skips, allowed)
	for _, s := range r.skips {
		fmt.Fprintf(r.out, "skipped: %s %s: %s\n", s.Package, s.Test, s.Reason)
	}
	for _, s := range unexpected {
		fmt.Fprintf(r.out, "FAIL: skipped without an entry in the list of skips: %s %s\n", s.Package, s.Test)
	}
	for _, s := range stale {
		fmt.Fprintf(r.out, "FAIL: in the list of skips but not skipped: %s %s (%s)\n", s.Package, s.Test, s.Reason)
	}
	executed := r.passed+r.failed > 0
	if !executed {
		fmt.Fprintln(r.out, "FAIL: no test was run")
	}
	fmt.Fprintf(r.out, "%d passed, %d failed, %d skipped\n", r.passed, r.failed, r.skipped)
	return executed && len(r.failures) == 0 && len(unexpected) == 0 && len(stale) == 0
}
