package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// defect is an edit that breaks a rule, and the test that must notice.
type defect struct {
	rule     string // that it breaks
	file     string // in the group's folder
	old, new string // the text, which occurs once, and what takes its place
	test     string // that fails, behind the group's prefix: "Conformance/Group/Case"
}

// group are defects of one folder that tests of one package notice.
type group struct {
	title   string // for people
	in      string // the folder
	pkg     string // of the tests
	prefix  string // of their names
	suite   string // the tests that -suite runs, for -test.run
	defects []defect
}

var groups = []*group{
	&rulesAsking, &rulesWaiting, &rulesEnding, &rulesFailing, &memory, &engine, &delegated, &sqlite, &redis, &bolt, &shared, &helpers, &keeper, &audit, &fencefile,
}

// plant is a defect with its group and its number in the table, from 1 on.
type plant struct {
	defect
	*group
	number int
}

func (p plant) path() string { return filepath.Join(p.in, p.file) }

func (p plant) name() string { return p.prefix + p.test }

// table returns all defects.
func table() []plant {
	var all []plant
	for _, g := range groups {
		for _, d := range g.defects {
			all = append(all, plant{d, g, len(all) + 1})
		}
	}
	return all
}

// source reads the file of the defect, and returns it with the place of the text
// that is to be replaced.
func (p plant) source() (text string, at int, err error) {
	b, err := os.ReadFile(p.path())
	if err != nil {
		return "", 0, err
	}
	text = string(b)
	if n := strings.Count(text, p.old); n != 1 {
		return "", 0, fmt.Errorf("%s: the text of %q occurs %d times: %q", p.path(), p.rule, n, p.old)
	}
	return text, strings.Index(text, p.old), nil
}

// choose returns those whose rule, file or test matches, so many of them, spread
// over the table, with each seed others; 0 for all.
func choose(all []plant, only *regexp.Regexp, sample, seed int) []plant {
	all = slices.DeleteFunc(all, func(p plant) bool {
		return !only.MatchString(p.rule) && !only.MatchString(p.path()) && !only.MatchString(p.name())
	})
	if sample == 0 || sample >= len(all) {
		return all
	}
	some := make([]plant, sample)
	for i := range some {
		some[i] = all[(i*len(all)/sample+seed)%len(all)]
	}
	return some
}
