// Mutate tests the suite: it plants defects in the stores, the engine and the
// helpers, by edits of the source that only the compiler sees (go test -overlay),
// and requires that the test named for each of them fails with it and passes
// without.
//
//	go run ./conformance/internal/mutate              all defects
//	go run ./conformance/internal/mutate -sample 20   20 of them, spread over the table; others with -seed 1, 2, ...
//	go run ./conformance/internal/mutate -run Quota   those whose rule, file or test matches
//	go run ./conformance/internal/mutate -suite       which tests of the whole suite notice each of them
//	go run ./conformance/internal/mutate -docs        write docs/rules.md
//
// Run it at the root of the repository.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// limit is how long one test may take; a store that hangs was noticed, too.
const limit = time.Minute

type options struct {
	sample   int
	seed     int
	only     string
	suite    bool
	docs     bool
	parallel int
}

func main() {
	var o options
	flag.IntVar(&o.sample, "sample", 0, "how many, spread over the table; 0: all")
	flag.IntVar(&o.seed, "seed", 0, "which, 0 or more")
	flag.StringVar(&o.only, "run", "", "only those whose rule, file or test matches")
	flag.BoolVar(&o.suite, "suite", false, "run all tests of the package, and tell which notice")
	flag.BoolVar(&o.docs, "docs", false, "write "+page)
	flag.IntVar(&o.parallel, "p", 2, "how many tests run at once")
	flag.Parse()
	missed, err := run(context.Background(), o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(2)
	}
	if missed > 0 {
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (missed int, err error) {
	if o.docs {
		return 0, os.WriteFile(page, []byte(document(table())), 0o644)
	}
	only, err := regexp.Compile(o.only)
	if err != nil {
		return 0, err
	}
	folder, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	began := time.Now()
	chosen := choose(table(), only, o.sample, o.seed)
	all, err := builds(ctx, folder, chosen)
	if err != nil {
		return 0, err
	}
	say("%d defects in %d programs, compiled in %v\n", len(chosen), len(all), time.Since(began).Round(time.Second))
	judge := judged
	if o.suite {
		judge = noticed
	}
	missed = eachOf(ctx, all, max(1, o.parallel), judge)
	say("%d defects, %d missed, %v\n", len(chosen), missed, time.Since(began).Round(time.Second))
	return missed, nil
}

func say(format string, args ...any) { fmt.Fprintf(os.Stdout, format, args...) }

// verdict is what came of one defect.
type verdict struct {
	caught bool
	text   string
}

// eachOf judges all defects, so many at once, and says what came of each. It
// returns how many were missed.
func eachOf(ctx context.Context, all []build, parallel int, judge func(context.Context, build, plant) verdict) (missed int) {
	var mu sync.Mutex
	var group sync.WaitGroup
	turns := make(chan struct{}, parallel)
	for _, b := range all {
		for _, p := range b.plants {
			turns <- struct{}{}
			group.Go(func() {
				defer func() { <-turns }()
				began := time.Now()
				v := judge(ctx, b, p)
				mu.Lock()
				defer mu.Unlock()
				if !v.caught {
					missed++
				}
				say("%s in %v: %s (%s)\n", v.text, time.Since(began).Round(time.Second/10), p.rule, p.path())
			})
		}
	}
	group.Wait()
	return missed
}

// judged runs the test that the table names, with the defect and without.
func judged(ctx context.Context, b build, p plant) verdict {
	passed, _, err := b.run(ctx, p.number, "-test.run", pattern(p.name()))
	switch {
	case err != nil:
		return verdict{false, fmt.Sprintf("BROKEN: %s: %v", p.name(), err)}
	case passed:
		return verdict{false, "MISSED by " + p.name()}
	}
	if b.alone {
		return verdict{true, "caught by " + p.name()} // there is no program without it
	}
	if passed, sane, err := b.run(ctx, 0, "-test.run", pattern(p.name())); err != nil || !passed {
		return verdict{false, fmt.Sprintf("BROKEN: %s fails without the defect: %v\n%s", p.name(), err, sane)}
	}
	return verdict{true, "caught by " + p.name()}
}

// pattern makes a test's name one for -test.run.
func pattern(name string) string {
	parts := strings.Split(name, "/")
	for i, p := range parts {
		parts[i] = "^" + p + "$"
	}
	return strings.Join(parts, "/")
}

// failed finds the names of tests that failed, and running those that went on when
// the time was over.
var (
	failed  = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)
	running = regexp.MustCompile(`(?m)^\t+(Test\S+) \(`)
)

// noticed runs all tests of the package that belong to the suite, until one fails,
// and tells which.
func noticed(ctx context.Context, b build, p plant) verdict {
	passed, said, err := b.run(ctx, p.number, "-test.run", p.suite, "-test.failfast")
	switch {
	case err != nil:
		return verdict{false, fmt.Sprintf("BROKEN: %v", err)}
	case passed:
		return verdict{false, "MISSED by all of " + filepath.Clean(b.pkg)}
	}
	var names []string
	all, verb := failed.FindAllStringSubmatch(said, -1), "noticed by "
	if all == nil {
		all, verb = running.FindAllStringSubmatch(said, -1), "no end of "
	}
	for _, found := range all {
		names = append(names, strings.TrimPrefix(found[1], p.prefix))
	}
	slices.Sort(names)
	names = slices.Compact(names)
	names = slices.DeleteFunc(names, func(n string) bool {
		return slices.ContainsFunc(names, func(m string) bool { return strings.HasPrefix(m, n+"/") })
	})
	return verdict{true, verb + strings.Join(names, ", ")}
}
