package shellwrites

import (
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// search is a find(1) command that is understood: a conjunction of simple tests.
type search struct {
	roots            []string
	name, path, kind string
	least, most      int
	del              bool
	actions          []args
}

// find looks at find(1): what it deletes or gives to other commands, and what
// it prints.
func (f *finder) find(a args, s *scope) input {
	q, ok := parseFind(a)
	if !ok {
		if acts(a) {
			f.unknown("find")
		}
		return input{}
	}
	found, ok := f.search(q, s)
	if !ok {
		if acts(a) {
			f.unknown("find")
		}
		return input{}
	}
	for _, name := range found {
		if q.del {
			f.removes(s, name)
		}
	}
	for _, action := range q.actions {
		f.forEach(action, "{}", found, s)
	}
	return input{known: true, text: strings.Join(append(found, ""), "\n")}
}

// acts reports whether find does more than print.
func acts(a args) bool {
	for _, one := range a {
		switch one.text {
		case "-delete", "-exec", "-execdir", "-ok", "-okdir", "-fprint", "-fprintf", "-fls":
			return true
		}
	}
	return false
}

// parseFind understands the common tests and actions.
func parseFind(a args) (search, bool) {
	q := search{most: 64}
	for _, one := range a {
		if !one.known {
			return q, false
		}
	}
	i := 0
	for ; i < len(a) && !strings.HasPrefix(a[i].text, "-") && a[i].text != "(" && a[i].text != "!"; i++ {
		q.roots = append(q.roots, a[i].text)
	}
	if len(q.roots) == 0 {
		q.roots = []string{"."}
	}
	for ; i < len(a); i++ {
		value := ""
		if i+1 < len(a) {
			value = a[i+1].text
		}
		switch a[i].text {
		case "-name":
			if q.name != "" {
				return q, false
			}
			q.name, i = value, i+1
		case "-path":
			q.path, i = value, i+1
		case "-type":
			if value != "f" && value != "d" {
				return q, false
			}
			q.kind, i = value, i+1
		case "-maxdepth", "-mindepth":
			n, err := strconv.Atoi(value)
			if err != nil {
				return q, false
			}
			if a[i].text == "-maxdepth" {
				q.most = n
			} else {
				q.least = n
			}
			i++
		case "-print", "-print0", "-depth":
		case "-delete":
			q.del = true
		case "-exec":
			var action args
			for i++; i < len(a) && a[i].text != ";" && a[i].text != "+"; i++ {
				action = append(action, a[i])
			}
			q.actions = append(q.actions, action)
		default:
			return q, false
		}
	}
	return q, true
}

// search walks the folders as they are now, as far as the bounds allow.
func (f *finder) search(q search, s *scope) ([]string, bool) {
	var found []string
	for _, root := range q.roots {
		full, ok := s.full(root)
		if !ok {
			return nil, false
		}
		err := filepath.WalkDir(full, func(name string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			rel := strings.TrimPrefix(strings.TrimPrefix(name, full), "/")
			depth := 0
			if rel != "" {
				depth = strings.Count(rel, "/") + 1
			}
			shown := root
			if rel != "" {
				shown = strings.TrimSuffix(root, "/") + "/" + rel
			}
			if depth >= q.least && q.matches(shown, d) {
				if found = append(found, shown); len(found) > maxFields {
					return errUnknown
				}
			}
			if d.IsDir() {
				if f.folders++; f.folders > maxFolders {
					return errUnknown
				}
				if depth >= q.most {
					return fs.SkipDir
				}
			}
			return nil
		})
		if err != nil && !os.IsNotExist(err) {
			return nil, false
		}
	}
	return found, true
}

func (q search) matches(shown string, d fs.DirEntry) bool {
	if q.kind == "f" && !d.Type().IsRegular() || q.kind == "d" && !d.IsDir() {
		return false
	}
	if q.name != "" {
		if ok, err := filepath.Match(q.name, filepath.Base(shown)); err != nil || !ok {
			return false
		}
	}
	if q.path != "" {
		if ok, err := filepath.Match(q.path, shown); err != nil || !ok {
			return false
		}
	}
	return true
}

// forEach runs a command once for each name, in place of the mark or at the
// end.
func (f *finder) forEach(words args, mark string, names []string, s *scope) {
	for _, name := range names {
		if f.steps++; f.steps > maxSteps {
			f.unknown("very many commands")
			return
		}
		filled := make(args, 0, len(words)+1)
		marked := false
		for _, w := range words {
			filled = append(filled, arg{text: strings.ReplaceAll(w.text, mark, name), known: w.known})
			marked = marked || strings.Contains(w.text, mark)
		}
		if !marked {
			filled = append(filled, arg{text: name, known: true})
		}
		f.run(filled, s.subshell(), input{})
	}
}

// xargs looks at the command that xargs runs, with the names that come through
// the pipe, if those are known.
func xargs(f *finder, c command) {
	mark, null := "", false
	a := c.args
	for len(a) > 0 && strings.HasPrefix(a[0].text, "-") {
		switch t := a[0].text; {
		case t == "-0" || t == "--null":
			null = true
		case t == "-I" && len(a) > 1:
			mark, a = a[1].text, a[1:]
		case strings.HasPrefix(t, "-I"):
			mark = t[2:]
		case t == "-n" || t == "-P" || t == "-L" || t == "-d" || t == "-a" || t == "-s" || t == "-E":
			if t == "-d" || t == "-a" || len(a) < 2 {
				f.unknown("xargs " + t)
				return
			}
			a = a[1:]
		}
		a = a[1:]
	}
	if len(a) == 0 {
		return
	}
	if !c.in.known || strings.ContainsAny(c.in.text, `"'\`) {
		if a[0].known && readers()[a[0].text] {
			return
		}
		f.unknown("xargs " + a[0].text)
		return
	}
	names := strings.Fields(c.in.text)
	if null {
		names = strings.FieldsFunc(c.in.text, func(r rune) bool { return r == 0 || r == '\n' })
	} else if mark != "" {
		names = strings.FieldsFunc(c.in.text, func(r rune) bool { return r == '\n' })
	}
	if mark == "" {
		mark = "\x00" // none
	}
	f.forEach(a, mark, names, c.scope)
}
