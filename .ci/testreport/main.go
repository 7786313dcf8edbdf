// Command testreport reads the output of `go test -json` on standard input,
// prints what plain go test prints, and judges the skipped tests: in CI a test
// that skips itself is a test that nobody runs, so each needs an entry, with its
// reason, in a list. It exits with 1 if a test or a build failed, a skip has no
// entry, an entry's test was not skipped, or no test was run.
//
// Its last line has the counts, of tests and subtests, as go test reported them:
//
//	12 passed, 0 failed, 1 skipped
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	list := flag.String("skips", "", "`file` with the skips that are allowed; none are without it")
	run := flag.String("run", "", "name of this `run`; entries of the list that name another one do not count")
	flag.Parse()

	ok, err := judge(*list, *run)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testreport:", err)
		os.Exit(2)
	}
	if !ok {
		os.Exit(1)
	}
}

func judge(list, run string) (ok bool, err error) {
	var allowed []skip
	if list != "" {
		file, err := os.Open(list)
		if err != nil {
			return false, err
		}
		defer file.Close()
		if allowed, err = readSkips(file, run); err != nil {
			return false, fmt.Errorf("%s: %w", list, err)
		}
	}

	report := newReport(os.Stdout)
	if err := report.read(os.Stdin); err != nil {
		return false, err
	}
	return report.close(allowed), nil
}
