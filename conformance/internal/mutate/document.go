package main

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/leasekit/leasekit/conformance"
)

// page is where document goes.
const page = "docs/rules.md"

const preface = `# Rules, cases and planted defects

Written by ` + "`go run ./conformance/internal/mutate -docs`" + `. The first two columns are the conformance
suite's: each case checks one rule. The third is how the suite is tested: each entry is a
defect that breaks a rule in one of the stores, in the engine or in the helpers; planted, it must
make that case fail (` + "`go run ./conformance/internal/mutate`" + `). A rule of Redis is broken in its scripts.
`

// document returns the table of rules, cases and defects.
func document(plants []plant) string {
	var b strings.Builder
	b.WriteString(preface)
	caught := map[string][]plant{} // by test
	for _, p := range plants {
		caught[testOf(p)] = append(caught[testOf(p)], p)
	}
	for _, suite := range suites() {
		group := ""
		for _, c := range suite.cases {
			its, _, _ := strings.Cut(c.Name, "/")
			if its != group {
				group = its
				fmt.Fprintf(&b, "\n## %s\n\n| Case | Rule | Planted defects |\n|---|---|---|\n", group)
				if any := suite.name + "/" + group + "/.*"; caught[any] != nil {
					fmt.Fprintf(&b, "| some case | | %s |\n", cell(caught[any]))
				}
			}
			fmt.Fprintf(&b, "| %s | %s | %s |\n", c.Name, plain(c.Rule), cell(caught[suite.name+"/"+c.Name]))
		}
	}
	b.WriteString("\n## Other tests\n\n| Test | Planted defects |\n|---|---|\n")
	var others []string
	for name := range caught {
		if suite, _, ok := strings.Cut(name, "/"); !ok || suite != "Conformance" && suite != "Helpers" {
			others = append(others, name)
		}
	}
	slices.Sort(others)
	for _, name := range others {
		fmt.Fprintf(&b, "| %s | %s |\n", name, cell(caught[name]))
	}
	return b.String()
}

// suite are the cases of Run, or of RunHelpers.
type suite struct {
	name  string
	cases []conformance.Case
}

func suites() []suite {
	return []suite{{"Conformance", conformance.Cases()}, {"Helpers", conformance.HelperCases()}}
}

// testOf returns the defect's test: of the suite by its name there, else with its
// package.
func testOf(p plant) string {
	name, _, _ := strings.Cut(p.test, "/")
	if name == "Conformance" || name == "Helpers" {
		return p.test
	}
	return fmt.Sprintf("Test%s (%s)", p.test, filepath.Clean(p.pkg))
}

func cell(plants []plant) string {
	all := make([]string, len(plants))
	for i, p := range plants {
		all[i] = fmt.Sprintf("%s (%s)", plain(p.rule), p.path())
	}
	return strings.Join(all, "<br>")
}

// plain keeps a sentence from being taken for Markdown.
func plain(s string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "*", `\*`, "_", `\_`).Replace(s)
}

// names reports whether the defect's test is a case of a suite, or is not said to
// be one.
func names(p plant) bool {
	name, rest, _ := strings.Cut(p.test, "/")
	for _, s := range suites() {
		if s.name != name {
			continue
		}
		its, err := regexp.Compile("^(" + rest + ")$")
		return err == nil && slices.ContainsFunc(s.cases, func(c conformance.Case) bool { return its.MatchString(c.Name) })
	}
	return true
}
