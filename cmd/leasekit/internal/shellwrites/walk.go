package shellwrites

import (
	"mvdan.cc/sh/v3/syntax"
)

func (f *finder) statements(all []*syntax.Stmt, s *scope) {
	for _, stmt := range all {
		f.statement(stmt, s, input{})
	}
}

// input is what a command reads from the pipe before it, or from a here
// document, where that is known.
type input struct {
	known bool
	text  string
}

// statement looks at one statement. It returns the statement's standard output
// where that is known, for the command after a pipe.
func (f *finder) statement(stmt *syntax.Stmt, s *scope, in input) input {
	if stmt == nil {
		return input{}
	}
	if f.steps++; f.steps > maxSteps {
		f.unknown("very many commands")
		return input{}
	}
	for _, r := range stmt.Redirs {
		f.redirect(r, s, &in)
	}
	if stmt.Background {
		s = s.subshell()
	}
	return f.command(stmt.Cmd, s, in)
}

// redirect looks at one redirection.
func (f *finder) redirect(r *syntax.Redirect, s *scope, in *input) {
	switch r.Op {
	case syntax.Hdoc, syntax.DashHdoc:
		text, known := f.text(r.Hdoc, s)
		*in = input{known: known, text: text}
		return
	case syntax.WordHdoc:
		text, known := f.text(r.Word, s)
		*in = input{known: known, text: text + "\n"}
		return
	}
	f.substitutions(r.Word, s)
	switch r.Op {
	case syntax.RdrIn:
		*in = input{} // a file's content is not looked at here
		if words, ok := f.fields(s, r.Word); ok && len(words) == 1 {
			*in = f.small(s, words[0])
		}
	case syntax.DplOut:
		if words, ok := f.fields(s, r.Word); ok && len(words) == 1 && !isDescriptor(words[0]) {
			f.writes(s, words[0])
		}
	case syntax.RdrOut, syntax.AppOut, syntax.RdrInOut, syntax.RdrClob, syntax.AppClob, syntax.RdrAll, syntax.AppAll, syntax.RdrAllClob, syntax.AppAllClob:
		f.target(r.Word, s)
	}
}

// target records the file of a redirection.
func (f *finder) target(w *syntax.Word, s *scope) {
	if writesToProcess(w) {
		return
	}
	words, ok := f.fields(s, w)
	if !ok || len(words) != 1 {
		f.unknown("> " + source(w))
		return
	}
	f.writes(s, words[0])
}

// writesToProcess reports whether a word is ">(command)" or "<(command)", which
// names a pipe.
func writesToProcess(w *syntax.Word) bool {
	for _, part := range w.Parts {
		if _, ok := part.(*syntax.ProcSubst); ok {
			return true
		}
	}
	return false
}

func isDescriptor(word string) bool {
	for i, r := range word {
		if (r < '0' || r > '9') && (r != '-' || i != len(word)-1) {
			return false
		}
	}
	return word != ""
}

// command looks at a command of any kind and returns its output where known.
func (f *finder) command(cmd syntax.Command, s *scope, in input) input {
	switch c := cmd.(type) {
	case *syntax.CallExpr:
		return f.call(c, s, in)
	case *syntax.BinaryCmd:
		return f.binary(c, s, in)
	case *syntax.Subshell:
		f.statements(c.Stmts, s.subshell())
	case *syntax.Block:
		f.statements(c.Stmts, s)
	case *syntax.IfClause:
		f.ifClause(c, s)
	case *syntax.WhileClause:
		f.loop(s, c.Cond, c.Do)
	case *syntax.ForClause:
		f.forClause(c, s)
	case *syntax.CaseClause:
		f.substitutions(c.Word, s)
		for _, item := range c.Items {
			f.statements(item.Stmts, s)
		}
	case *syntax.FuncDecl:
		if c.Name != nil {
			s.funcs[c.Name.Value] = c.Body
		}
	case *syntax.DeclClause:
		f.assign(c.Args, s)
	case *syntax.TimeClause:
		return f.statement(c.Stmt, s, in)
	case *syntax.CoprocClause:
		f.statement(c.Stmt, s.subshell(), input{})
	case *syntax.TestClause, *syntax.ArithmCmd, *syntax.LetClause:
		f.nested(cmd, s)
	}
	return input{}
}

func (f *finder) binary(c *syntax.BinaryCmd, s *scope, in input) input {
	switch c.Op {
	case syntax.Pipe, syntax.PipeAll:
		out := f.statement(c.X, s.subshell(), in)
		return f.statement(c.Y, s.subshell(), out)
	}
	f.statement(c.X, s, in)
	return f.statement(c.Y, s, input{})
}

func (f *finder) ifClause(c *syntax.IfClause, s *scope) {
	for ; c != nil; c = c.Else {
		f.statements(c.Cond, s)
		// What the arms assign is known only inside of them.
		arm := s.subshell()
		f.statements(c.Then, arm)
		s.mergeUnknown(arm)
	}
}

// mergeUnknown forgets what an arm that may not have run has changed.
func (s *scope) mergeUnknown(arm *scope) {
	if arm.dir != s.dir {
		s.dir = ""
	}
	for name, v := range arm.vars {
		if old, ok := s.vars[name]; !ok || old.text != v.text || old.known != v.known || v.array {
			s.forget(name)
		}
	}
	for name, body := range arm.funcs {
		s.funcs[name] = body
	}
}

// loop looks at a body that runs an unknown number of times: what it assigns
// is not known, neither in it nor after it.
func (f *finder) loop(s *scope, parts ...[]*syntax.Stmt) {
	once := s.subshell()
	for _, part := range parts {
		for _, stmt := range part {
			forgetAssigned(stmt, once)
		}
	}
	for _, part := range parts {
		f.statements(part, once)
	}
	s.mergeUnknown(once)
}

// forgetAssigned makes unknown what a statement assigns.
func forgetAssigned(n syntax.Node, s *scope) {
	if n == nil {
		return
	}
	syntax.Walk(n, func(n syntax.Node) bool {
		switch x := n.(type) {
		case *syntax.Assign:
			if x.Name != nil {
				s.forget(x.Name.Value)
			}
		case *syntax.CallExpr:
			if len(x.Args) > 0 {
				switch x.Args[0].Lit() {
				case "cd", "pushd", "popd":
					s.dir = ""
				case "read", "mapfile", "readarray":
					for _, w := range x.Args[1:] {
						s.forget(w.Lit())
					}
				}
			}
		}
		return true
	})
}

func (f *finder) forClause(c *syntax.ForClause, s *scope) {
	words, ok := c.Loop.(*syntax.WordIter)
	if !ok || words.Name == nil {
		f.loop(s, c.Do)
		return
	}
	name := words.Name.Value
	for _, w := range words.Items {
		f.substitutions(w, s)
	}
	items, known := f.fields(s, words.Items...)
	if !known || len(words.Items) == 0 {
		s.forget(name)
		f.loop(s, c.Do)
		return
	}
	for _, item := range items {
		if f.steps > maxSteps {
			break
		}
		s.set(name, item)
		f.statements(c.Do, s)
	}
}

// assign follows assignments.
func (f *finder) assign(all []*syntax.Assign, s *scope) {
	for _, a := range all {
		f.nested(a, s)
		if a.Name == nil {
			continue
		}
		name := a.Name.Value
		switch {
		case a.Naked:
		case a.Array != nil:
			f.assignArray(a, s)
		case a.Index != nil:
			s.forget(name)
		default:
			text, known := "", true
			if a.Value != nil {
				text, known = f.text(a.Value, s)
			}
			if a.Append {
				old := s.vars[name]
				known, text = known && old.known && !old.array, old.text+text
			}
			if known {
				s.set(name, text)
			} else {
				s.forget(name)
			}
		}
	}
}

func (f *finder) assignArray(a *syntax.Assign, s *scope) {
	var list []string
	for _, e := range a.Array.Elems {
		words, ok := f.fields(s, e.Value)
		if !ok || e.Index != nil || a.Append {
			s.forget(a.Name.Value)
			return
		}
		list = append(list, words...)
	}
	if len(list) == 0 || len(list) > maxFields {
		s.forget(a.Name.Value)
		return
	}
	s.vars[a.Name.Value] = value{known: true, text: list[0], list: list, array: true}
}

// nested looks at the command substitutions inside of a node.
func (f *finder) nested(n syntax.Node, s *scope) {
	if n == nil {
		return
	}
	syntax.Walk(n, func(n syntax.Node) bool {
		switch x := n.(type) {
		case *syntax.CmdSubst:
			f.statements(x.Stmts, s.subshell())
			return false
		case *syntax.ProcSubst:
			f.statements(x.Stmts, s.subshell())
			return false
		}
		return true
	})
}

func (f *finder) substitutions(w *syntax.Word, s *scope) {
	if w != nil {
		f.nested(w, s)
	}
}
