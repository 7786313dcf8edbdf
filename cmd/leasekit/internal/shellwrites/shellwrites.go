// Package shellwrites tells which files a shell command line certainly writes.
//
// It reads the command line as a shell would, without running anything: it
// follows cd, variables, loops over lists, functions and subshells, and expands
// globs in the folders as they are now. A command counts as run wherever it
// could run: both sides of "&&" and both arms of "if". What a program like make
// writes cannot be known; the result names such programs instead.
package shellwrites

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// Options are what the command line runs in. Dir is required.
type Options struct {
	Dir  string // the working directory, absolute
	Home string // what "~" and $HOME stand for; empty: unknown
}

// Write is one thing that a command line writes.
type Write struct {
	Name string // absolute, in the spelling of the command line
	Tree bool   // everything below it too
}

// Result is what is known about a command line.
type Result struct {
	Writes  []Write  // each once, sorted by name
	Unknown []string // programs and words whose writes cannot be known, each once, in order
}

// The names, below the top folder of a work tree, that stand for what git
// commands share and that no file name tells.
const (
	GitIndex = "@git/index"
	GitHead  = "@git/head"
)

// The bounds of the work that one command line may cause. Beyond them the rest
// counts as unknown.
const (
	maxBytes   = 1 << 20 // of the command line
	maxOpeners = 20_000  // of nesting, so that the parser's recursion ends
	maxSteps   = 10_000  // commands looked at
	maxDepth   = 40      // calls of functions, sh -c and eval within each other
	maxValue   = 16 << 10
	maxFields  = 1024 // words that one word may become
	maxFolders = 500  // read for globs and find
	maxWrites  = 4096
	maxUnknown = 20
)

// Find returns what the command line writes. It never fails: what it does not
// understand is in Result.Unknown.
func Find(command string, o Options) Result {
	f := &finder{home: o.Home}
	f.script(command, newScope(o))
	slices.SortFunc(f.result.Writes, func(a, b Write) int { return strings.Compare(a.Name, b.Name) })
	f.result.Writes = slices.CompactFunc(f.result.Writes, func(a, b Write) bool { return a.Name == b.Name })
	return f.result
}

// finder collects the result of one command line.
type finder struct {
	result  Result
	home    string
	steps   int
	depth   int
	folders int
}

// script reads a command line in a scope.
func (f *finder) script(text string, s *scope) {
	if len(text) > maxBytes || openers(text) > maxOpeners {
		f.unknown("a very long command")
		return
	}
	if f.depth++; f.depth > maxDepth {
		f.depth--
		f.unknown("a very deep command")
		return
	}
	defer func() { f.depth-- }()
	file, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(text), "")
	if file != nil {
		f.statements(file.Stmts, s) // what was read before an error is known all the same
	}
	if err != nil {
		f.unknown("a syntax error")
	}
}

// openers counts what could nest, generously.
func openers(text string) int {
	n := 0
	for _, opener := range []string{"(", "{", "`", "if", "while", "until", "for", "case", "select", "!", "[[", "time", "coproc", "function"} {
		n += strings.Count(text, opener)
	}
	return n
}

func (f *finder) unknown(what string) {
	if len(what) > 60 {
		what = what[:60]
	}
	what = strings.ToValidUTF8(what, "?")
	if len(f.result.Unknown) < maxUnknown && !slices.Contains(f.result.Unknown, what) {
		f.result.Unknown = append(f.result.Unknown, what)
	}
}

// writes records a file that is written. The name is as the command has it.
func (f *finder) writes(s *scope, name string) { f.add(s, name, false) }

// writesTree records a folder in which everything may be written.
func (f *finder) writesTree(s *scope, name string) { f.add(s, name, true) }

func (f *finder) add(s *scope, name string, tree bool) {
	full, ok := s.full(name)
	switch {
	case !ok:
		f.unknown(name)
		return
	case device(full):
		return
	case len(f.result.Writes) >= maxWrites:
		f.unknown("very many files")
		return
	}
	for i, w := range f.result.Writes {
		if w.Name == full {
			f.result.Writes[i].Tree = w.Tree || tree
			return
		}
	}
	f.result.Writes = append(f.result.Writes, Write{Name: full, Tree: tree})
}

// removes records a file, or a folder with everything below it, that goes away.
func (f *finder) removes(s *scope, name string) {
	if s.isDir(name) {
		f.writesTree(s, name)
		return
	}
	f.writes(s, name)
}

// device reports whether a name stands for no file of the tree: /dev/null and
// the like.
func device(full string) bool {
	for _, dir := range []string{"/dev", "/proc", "/sys"} {
		if strings.HasPrefix(full, dir+"/") {
			return true
		}
	}
	return false
}

// scope is the state of a shell: its folder, variables and functions.
type scope struct {
	dir   string // empty: unknown
	old   string // what "cd -" leads to; empty: unknown
	stack []string
	vars  map[string]value
	funcs map[string]*syntax.Stmt
	home  string
}

// value is a variable's; a list has more than a shell's plain variable.
type value struct {
	known bool
	text  string
	list  []string // of an array, and of "@"
	array bool
}

func newScope(o Options) *scope {
	s := &scope{dir: o.Dir, home: o.Home, vars: make(map[string]value), funcs: make(map[string]*syntax.Stmt)}
	if o.Home != "" {
		s.set("HOME", o.Home)
	}
	return s
}

// subshell returns a copy: what happens in it does not reach its parent.
func (s *scope) subshell() *scope {
	c := *s
	c.stack = slices.Clone(s.stack)
	c.vars = make(map[string]value, len(s.vars))
	for k, v := range s.vars {
		c.vars[k] = v
	}
	c.funcs = make(map[string]*syntax.Stmt, len(s.funcs))
	for k, v := range s.funcs {
		c.funcs[k] = v
	}
	return &c
}

func (s *scope) set(name, text string) {
	s.vars[name] = value{known: len(text) <= maxValue, text: text}
}

func (s *scope) forget(name string) { s.vars[name] = value{} }

// chdir follows cd. An unknown folder makes relative names unknown.
func (s *scope) chdir(dir string, known bool) {
	s.old, s.dir = s.dir, dir
	if !known {
		s.dir = ""
	}
}

// full returns the absolute form of a name. It keeps ".." where a link could
// stand before it: who resolves links resolves that too.
func (s *scope) full(name string) (string, bool) {
	if name == "" || strings.ContainsRune(name, 0) {
		return "", false
	}
	if filepath.IsAbs(name) {
		return name, true
	}
	if s.dir == "" {
		return "", false
	}
	for strings.HasPrefix(name, "./") {
		name = strings.TrimLeft(name[2:], "/")
	}
	if name == "" || name == "." {
		return s.dir, true
	}
	return strings.TrimSuffix(s.dir, "/") + "/" + name, true
}

func (s *scope) stat(name string) (fs.FileInfo, bool) {
	full, ok := s.full(name)
	if !ok {
		return nil, false
	}
	info, err := os.Stat(full)
	return info, err == nil
}

func (s *scope) isDir(name string) bool {
	info, ok := s.stat(name)
	return ok && info.IsDir()
}

// workTree returns the top folder of the git work tree that the scope is in.
func (s *scope) workTree() (string, bool) {
	if s.dir == "" {
		return "", false
	}
	for dir := filepath.Clean(s.dir); ; dir = filepath.Dir(dir) {
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
			return dir, true
		}
		if dir == filepath.Dir(dir) {
			return "", false
		}
	}
}
