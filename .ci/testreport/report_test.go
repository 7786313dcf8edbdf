package main

import (
	"strings"
	"testing"
)

// run feeds go test's JSON lines to a report and returns what it prints.
func run(t *testing.T, list string, lines ...string) (printed string, ok bool) {
	t.Helper()
	allowed, err := readSkips(strings.NewReader(list), "race")
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	report := newReport(&out)
	if err := report.read(strings.NewReader(strings.Join(lines, "\n") + "\n")); err != nil {
		t.Fatal(err)
	}
	ok = report.close(allowed)
	return out.String(), ok
}

const (
	passLine = `{"Action":"pass","Package":"p","Test":"TestGood"}`
	skipLine = `{"Action":"skip","Package":"p","Test":"TestAway"}`
)

func TestReport(t *testing.T) {
	cases := []struct {
		name  string
		list  string
		lines []string
		ok    bool
		want  []string // printed, in this order
		not   string   // not printed
	}{
		{
			name: "a passing package",
			lines: []string{
				`{"Action":"run","Package":"p","Test":"TestGood"}`,
				`{"Action":"output","Package":"p","Test":"TestGood","Output":"chatter\n"}`,
				passLine,
				`{"Action":"output","Package":"p","Output":"PASS\n"}`,
				`{"Action":"output","Package":"p","Output":"ok  \tp\t0.1s\n"}`,
				`{"Action":"pass","Package":"p"}`,
			},
			ok: true, want: []string{"ok  \tp\t0.1s\n", "1 passed, 0 failed, 0 skipped\n"}, not: "chatter",
		},
		{
			name: "a failing test keeps its output",
			lines: []string{
				`{"Action":"output","Package":"p","Test":"TestBad","Output":"    x.go:1: wrong\n"}`,
				`{"Action":"fail","Package":"p","Test":"TestBad"}`,
				`{"Action":"output","Package":"p","Output":"FAIL\tp\t0.1s\n"}`,
				`{"Action":"fail","Package":"p"}`,
			},
			want: []string{"x.go:1: wrong\n", "FAIL\tp", "FAIL: p TestBad\n", "FAIL: p\n", "0 passed, 1 failed, 0 skipped\n"},
		},
		{
			name: "a process that dies fails the test that was running",
			lines: []string{
				passLine,
				`{"Action":"run","Package":"p","Test":"TestStuck"}`,
				`{"Action":"output","Package":"p","Test":"TestStuck","Output":"panic: test timed out\n"}`,
				`{"Action":"fail","Package":"p"}`,
			},
			want: []string{"panic: test timed out\n", "p TestStuck did not end\n", "1 passed, 1 failed, 0 skipped\n"},
		},
		{
			name: "a build that fails",
			lines: []string{
				passLine,
				`{"ImportPath":"q","Action":"build-output","Output":"q.go:1: undefined: x\n"}`,
				`{"ImportPath":"q","Action":"build-fail"}`,
				`{"Action":"output","Package":"q","Output":"FAIL\tq [build failed]\n"}`,
				`{"Action":"fail","Package":"q","FailedBuild":"q"}`,
			},
			want: []string{"undefined: x\n", "FAIL\tq [build failed]\n", "FAIL: q\n", "1 passed, 0 failed, 0 skipped\n"},
		},
		{
			name:  "a package without tests is no skip, and lines that are no JSON are shown",
			lines: []string{`go: downloading x`, `{"Action":"skip","Package":"q"}`, passLine},
			ok:    true, want: []string{"go: downloading x\n", "1 passed, 0 failed, 0 skipped\n"},
		},
		{
			name: "an unlisted skip",
			lines: []string{
				passLine,
				`{"Action":"output","Package":"p","Test":"TestAway","Output":"=== RUN   TestAway\n"}`,
				`{"Action":"output","Package":"p","Test":"TestAway","Output":"    x.go:7: no redis-server\n"}`,
				`{"Action":"output","Package":"p","Test":"TestAway","Output":"--- SKIP: TestAway (0.00s)\n"}`,
				skipLine,
			},
			want: []string{"skipped: p TestAway: x.go:7: no redis-server\n", "FAIL: skipped without an entry in the list of skips: p TestAway\n", "1 passed, 0 failed, 1 skipped\n"},
		},
		{
			name: "a listed skip", list: "# why\n\nany p TestAway needs a moon\nplain p TestOther other run\n",
			lines: []string{passLine, skipLine},
			ok:    true, want: []string{"skipped: p TestAway", "1 passed, 0 failed, 1 skipped\n"},
		},
		{
			name: "a pattern", list: "any p Test*/Away no moon anywhere\nany p TestAway/* what does not match it\n",
			lines: []string{passLine, `{"Action":"skip","Package":"p","Test":"TestSea/Away"}`, `{"Action":"skip","Package":"p","Test":"TestLand/Away"}`},
			want:  []string{"FAIL: in the list of skips but not skipped: p TestAway/*", "1 passed, 0 failed, 2 skipped\n"}, not: "without an entry",
		},
		{
			name: "a stale entry", list: "race p TestGood was broken\n",
			lines: []string{passLine},
			want:  []string{"FAIL: in the list of skips but not skipped: p TestGood (was broken)\n"},
		},
		{
			name:  "nothing run",
			lines: []string{`{"Action":"pass","Package":"p"}`},
			want:  []string{"FAIL: no test was run\n", "0 passed, 0 failed, 0 skipped\n"},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			printed, ok := run(t, c.list, c.lines...)
			if ok != c.ok {
				t.Errorf("ok = %v, want %v", ok, c.ok)
			}
			rest := printed
			for _, want := range c.want {
				_, after, found := strings.Cut(rest, want)
				if !found {
					t.Errorf("want %q in this order in\n%s", want, printed)
				}
				rest = after
			}
			if c.not != "" && strings.Contains(printed, c.not) {
				t.Errorf("want no %q in\n%s", c.not, printed)
			}
		})
	}
}

func TestBadList(t *testing.T) {
	for list, flaw := range map[string]string{
		"any p TestAway\n":          "has no reason",
		"any p Test[Away no moon\n": "is no pattern",
	} {
		if _, err := readSkips(strings.NewReader(list), "race"); err == nil {
			t.Errorf("an entry that %s was accepted: %s", flaw, list)
		}
	}
}
