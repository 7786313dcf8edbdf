package shellwrites

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"
)

// fields expands words as a shell would. It reports false if any of it depends
// on what is not known here.
func (f *finder) fields(s *scope, words ...*syntax.Word) ([]string, bool) {
	n := 1
	for _, w := range words {
		if w == nil || !f.static(w, s) {
			return nil, false
		}
		if n += braces(w); n > maxFields {
			return nil, false
		}
	}
	out, err := expand.Fields(f.config(s), words...)
	if err != nil || len(out) > maxFields {
		return nil, false
	}
	// A pattern that nothing matches stays as it is, and names no file.
	for i, word := range out {
		if len(word) > maxValue || i < len(words) && len(out) == len(words) && isPattern(words[i]) && word == source(words[i]) && !strings.Contains(word, "://") {
			return nil, false
		}
	}
	return out, true
}

// text expands a word to one text, without splitting it.
func (f *finder) text(w *syntax.Word, s *scope) (string, bool) {
	if w == nil {
		return "", true
	}
	if !f.static(w, s) {
		return "", false
	}
	out, err := expand.Literal(f.config(s), w)
	if err != nil || len(out) > maxBytes {
		return "", false
	}
	return out, true
}

func (f *finder) config(s *scope) *expand.Config {
	return &expand.Config{
		Env: environ{s},
		CmdSubst: func(io.Writer, *syntax.CmdSubst) error {
			return errUnknown
		},
		ReadDir2: func(name string) ([]fs.DirEntry, error) {
			if f.folders++; f.folders > maxFolders {
				return nil, errUnknown
			}
			full, ok := s.full(name)
			if !ok {
				return nil, errUnknown
			}
			return os.ReadDir(full)
		},
	}
}

var errUnknown = errors.New("not known without running it")

// static reports whether a word's expansion is known: it has no command
// substitution, and all its variables are known.
func (f *finder) static(w *syntax.Word, s *scope) bool {
	ok := true
	syntax.Walk(w, func(n syntax.Node) bool {
		switch x := n.(type) {
		case *syntax.CmdSubst, *syntax.ProcSubst:
			ok = false
		case *syntax.ParamExp:
			ok = ok && known(x, s)
		case *syntax.ArithmExp:
			ok = ok && arithmetic(x, s)
		case *syntax.ExtGlob:
			ok = false
		}
		return ok
	})
	if ok && s.dir == "" && isPattern(w) {
		return false
	}
	return ok
}

// known reports whether a parameter expansion has a known value.
func known(x *syntax.ParamExp, s *scope) bool {
	if x.Param == nil || x.Excl || x.Names != 0 || x.NestedParam != nil {
		return false
	}
	v, ok := s.lookup(x.Param.Value)
	if x.Repl != nil && len(v.text) > 1024 {
		return false // many replacements could make it very long
	}
	return ok && v.known
}

// arithmetic reports whether all variables of an expression are known numbers.
func arithmetic(x *syntax.ArithmExp, s *scope) bool {
	ok := true
	syntax.Walk(x, func(n syntax.Node) bool {
		switch x := n.(type) {
		case *syntax.Word:
			lit := x.Lit()
			if lit == "" {
				return true
			}
			if _, err := strconv.Atoi(lit); err == nil {
				return true
			}
			v, found := s.lookup(lit)
			_, err := strconv.Atoi(v.text)
			ok = ok && found && v.known && err == nil
		case *syntax.UnaryArithm:
			ok = ok && x.Op != syntax.Inc && x.Op != syntax.Dec
		case *syntax.BinaryArithm:
			ok = ok && x.Op != syntax.Pow && x.Op != syntax.Shl
		}
		return ok
	})
	return ok
}

func (s *scope) lookup(name string) (value, bool) {
	if name == "PWD" {
		return value{known: s.dir != "", text: s.dir}, true
	}
	if name == "OLDPWD" {
		return value{known: s.old != "", text: s.old}, true
	}
	v, ok := s.vars[name]
	return v, ok
}

// environ shows a scope's variables to the expansion.
type environ struct{ s *scope }

func (e environ) Get(name string) expand.Variable {
	v, ok := e.s.lookup(name)
	switch {
	case !ok || !v.known:
		return expand.Variable{}
	case v.array || name == "@" || name == "*":
		return expand.Variable{Set: true, Kind: expand.Indexed, List: v.list, Str: v.text}
	}
	return expand.Variable{Set: true, Kind: expand.String, Str: v.text}
}

func (e environ) Each(yield func(string, expand.Variable) bool) {
	for name := range e.s.vars {
		if !yield(name, e.Get(name)) {
			return
		}
	}
}

// isPattern reports whether a word has a glob outside of quotes.
func isPattern(w *syntax.Word) bool {
	for _, part := range w.Parts {
		lit, ok := part.(*syntax.Lit)
		if !ok {
			continue
		}
		if strings.ContainsAny(lit.Value, "*?") || strings.Contains(lit.Value, "[") && strings.Contains(lit.Value, "]") {
			return true
		}
	}
	return false
}

// braces returns how many words the braces of a word make at most, so that
// {1..1000000000} is not expanded. It counts generously.
func braces(w *syntax.Word) int {
	n := 1
	for _, part := range w.Parts {
		lit, ok := part.(*syntax.Lit)
		if !ok {
			continue
		}
		for piece := range strings.SplitSeq(lit.Value, "{") {
			body, _, _ := strings.Cut(piece, "}")
			if from, rest, ok := strings.Cut(body, ".."); ok {
				to, _, _ := strings.Cut(rest, "..")
				a, errA := strconv.Atoi(from)
				b, errB := strconv.Atoi(to)
				if errA == nil && errB == nil {
					n *= min(max(a-b, b-a), maxFields) + 1
				} else {
					n *= 64
				}
			} else {
				n *= strings.Count(body, ",") + 1
			}
			if n > maxFields || n <= 0 {
				return maxFields + 1
			}
		}
	}
	return n
}

// source returns a word as it stands in the command line, for people to read.
// To print what is long at each of its levels would take for ever.
func source(w *syntax.Word) string {
	if w.End().Offset()-w.Pos().Offset() > 200 {
		return "a very long word"
	}
	var b strings.Builder
	_ = syntax.NewPrinter().Print(&b, w)
	return b.String()
}

// small returns the content of a small file, for patches that are read from
// one.
func (f *finder) small(s *scope, name string) input {
	full, ok := s.full(name)
	if !ok {
		return input{}
	}
	if info, err := os.Stat(full); err != nil || !info.Mode().IsRegular() || info.Size() > maxBytes {
		return input{}
	}
	b, err := os.ReadFile(full)
	return input{known: err == nil, text: string(b)}
}
