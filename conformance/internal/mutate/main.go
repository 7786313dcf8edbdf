// Mutate tests the suite: it plants one defect after the other in the stores, by
// an edit of the source that only the compiler sees (go test -overlay), and
// requires that the case named for it fails.
//
//	go run ./conformance/internal/mutate             all defects
//	go run ./conformance/internal/mutate -sample 5   5 of them, spread over the table
//	go run ./conformance/internal/mutate -run Quota  those whose name matches
//
// Run it at the root of the repository.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// defect is an edit that breaks a rule, and the test that must notice.
type defect struct {
	rule     string // that it breaks
	file     string
	old, new string // the text, which occurs once, and what takes its place
	pkg      string // of the test
	test     string // that fails: "TestConformance/Group/Case", or "TestParity"
}

// limit is how long one test may take; a store that hangs was noticed, too.
const limit = 3 * time.Minute

func main() {
	sample := flag.Int("sample", 0, "how many, spread over the table; 0: all")
	only := flag.String("run", "", "only those whose rule or file matches")
	flag.Parse()
	missed, err := run(*sample, *only)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(2)
	}
	if missed > 0 {
		os.Exit(1)
	}
}

func run(sample int, only string) (missed int, err error) {
	pattern, err := regexp.Compile(only)
	if err != nil {
		return 0, err
	}
	var chosen []defect
	for _, d := range defects {
		if pattern.MatchString(d.rule) || pattern.MatchString(d.file) {
			chosen = append(chosen, d)
		}
	}
	if every := len(chosen) / max(1, sample); sample > 0 && every > 1 {
		var some []defect
		for i := 0; i < len(chosen) && len(some) < sample; i += every {
			some = append(some, chosen[i])
		}
		chosen = some
	}
	for _, d := range chosen {
		began := time.Now()
		caught, said, err := d.caught()
		verdict := "caught"
		switch {
		case err != nil:
			verdict, caught, said = "BROKEN", false, err.Error()
			missed++
		case !caught:
			verdict = "MISSED"
			missed++
		}
		fmt.Fprintf(os.Stdout, "%s by %s in %v: %s (%s)\n", verdict, d.test, time.Since(began).Round(time.Second/10), d.rule, d.file)
		if !caught {
			fmt.Fprintln(os.Stdout, said)
		}
	}
	fmt.Fprintf(os.Stdout, "%d defects, %d missed\n", len(chosen), missed)
	return missed, nil
}

// caught plants the defect and reports whether its test fails.
func (d defect) caught() (bool, string, error) {
	source, err := os.ReadFile(d.file)
	if err != nil {
		return false, "", err
	}
	if n := strings.Count(string(source), d.old); n != 1 {
		return false, "", fmt.Errorf("the text to replace occurs %d times: %q", n, d.old)
	}
	directory, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return false, "", err
	}
	defer func() { _ = os.RemoveAll(directory) }()
	planted := filepath.Join(directory, filepath.Base(d.file))
	if err := os.WriteFile(planted, []byte(strings.Replace(string(source), d.old, d.new, 1)), 0o600); err != nil {
		return false, "", err
	}
	original, err := filepath.Abs(d.file)
	if err != nil {
		return false, "", err
	}
	text, err := json.Marshal(map[string]any{"Replace": map[string]string{original: planted}})
	if err != nil {
		return false, "", err
	}
	overlay := filepath.Join(directory, "overlay.json")
	if err := os.WriteFile(overlay, text, 0o600); err != nil {
		return false, "", err
	}
	return d.judged(overlay)
}

// judged runs the test with the overlay. That it does not compile is an error.
func (d defect) judged(overlay string) (bool, string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	parts := strings.Split(d.test, "/")
	for i, p := range parts {
		parts[i] = "^" + p + "$"
	}
	command := exec.CommandContext(ctx, "go", "test", "-count=1", "-vet=off", "-overlay", overlay, "-run", strings.Join(parts, "/"), d.pkg)
	out, err := command.CombinedOutput()
	said := string(out)
	switch failed := new(exec.ExitError); {
	case err == nil && strings.Contains(said, "no tests to run"):
		return false, said, errors.New("there is no such test")
	case err == nil:
		return false, said, nil
	case strings.Contains(said, "[build failed]"):
		return false, said, fmt.Errorf("it does not compile:\n%s", said)
	case ctx.Err() != nil, errors.As(err, &failed):
		return true, said, nil
	}
	return false, said, err
}
