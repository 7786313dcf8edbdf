package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// atRoot makes the repository's root the working directory.
func atRoot(t *testing.T) { t.Chdir("../../..") }

// TestTable: each defect's text is there once, and its test exists.
func TestTable(t *testing.T) {
	atRoot(t)
	seen := map[string]bool{}
	for _, p := range table() {
		_, _, err := p.source()
		require.NoError(t, err)
		require.NotEqual(t, p.old, p.new, p.rule)
		require.False(t, seen[p.path()+p.old+p.new], "%s is there twice", p.rule)
		seen[p.path()+p.old+p.new] = true
		require.True(t, names(p), "%s: there is no case %s", p.rule, p.test)
		function, _, _ := strings.Cut(p.name(), "/")
		require.True(t, declared(t, p.pkg, function), "%s: %s has no %s", p.rule, p.pkg, function)
	}
	require.GreaterOrEqual(t, len(seen), 150)
}

// declared reports whether a package has a test.
func declared(t *testing.T, pkg, function string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(pkg, "*_test.go"))
	require.NoError(t, err)
	for _, file := range files {
		source, err := os.ReadFile(file)
		require.NoError(t, err)
		if strings.Contains(string(source), "\nfunc "+function+"(t *testing.T)") {
			return true
		}
	}
	return false
}

// TestEachGroupHasADefect: a group of cases that no planted defect makes fail may
// find nothing at all.
func TestEachGroupHasADefect(t *testing.T) {
	found := map[string]bool{}
	for _, p := range table() {
		parts := strings.Split(p.test, "/")
		if len(parts) > 1 {
			found[parts[0]+"/"+parts[1]] = true
		}
	}
	for _, s := range suites() {
		for _, c := range s.cases {
			group, _, _ := strings.Cut(c.Name, "/")
			require.True(t, found[s.name+"/"+group], "no defect is planted for the group %s/%s", s.name, group)
		}
	}
}

// TestDocument: the page is what the table says. If not:
//
//	go run ./conformance/internal/mutate -docs
func TestDocument(t *testing.T) {
	atRoot(t)
	written, err := os.ReadFile(page)
	require.NoError(t, err)
	require.True(t, document(table()) == string(written), "%s is not up to date: go run ./conformance/internal/mutate -docs", page)
}

func TestSwitched(t *testing.T) {
	const source = `package p

import "fmt"

const limit = 3

type box[T any] struct{ all []T }

// add adds.
func (b *box[T]) add(_ string, more ...T) (n int, err error) {
	b.all = append(b.all, more...)
	return len(b.all), nil
}

func say[T any](v T) {
	fmt.Println(v, limit)
}

func untouched() {}
`
	plants := []plant{
		{defect: defect{old: "len(b.all), nil", new: "0, nil"}, number: 3},
		{defect: defect{old: "more...)\n", new: "more[1:]...)\n"}, number: 5},
		{defect: defect{old: "Println(v, limit)", new: "Println(v)"}, number: 7},
		{defect: defect{old: "limit = 3", new: "limit = 4"}, number: 9},
	}
	got, alone, err := switched(source, plants)
	require.NoError(t, err)
	require.Len(t, alone, 1)
	require.Equal(t, 9, alone[0].number)
	for _, line := range []string{
		"func (b *box[T]) add(parameter0 string, more ...T) (n int, err error) {\n\tswitch leasekitPlanted {\n\tcase 3:\n\t\treturn b.add__3(parameter0, more...)\n\tcase 5:",
		"func (b *box[T]) add__5(_ string, more ...T) (n int, err error) {\n\tb.all = append(b.all, more[1:]...)",
		"func say[T any](v T) {\n\tswitch leasekitPlanted {\n\tcase 7:\n\t\tsay__7[T](v)\n\t\treturn\n\t}\n\tsay__0[T](v)\n}",
		"func untouched() {}",
	} {
		require.Contains(t, got, line)
	}
}

func TestChoose(t *testing.T) {
	all := table()
	some := choose(table(), regexp.MustCompile(""), 10, 0)
	require.Len(t, some, 10)
	require.Equal(t, all[0].rule, some[0].rule)
	require.Equal(t, all[7].rule, choose(table(), regexp.MustCompile(""), 10, 7)[0].rule)
	require.Greater(t, some[9].number, len(all)*8/10)
	for _, p := range choose(table(), regexp.MustCompile("^lease/audit/"), 0, 0) {
		require.Equal(t, "lease/audit/", p.in)
	}
}
