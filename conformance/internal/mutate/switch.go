package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
)

// The defects of a package are planted together, each behind a switch that the
// environment sets when the test starts: so one build serves all of them. A
// function with defects becomes several, of which one is called:
//
//	func (s *Step) full() bool {
//		switch leasekitPlanted {
//		case 7:
//			return s.full__7()
//		}
//		return s.full__0()
//	}
//
// What stands outside of functions cannot be switched: a defect there has a
// build of its own.

// variable names the environment variable that says which defect is live, by its
// number.
const variable = "LEASEKIT_PLANTED"

// switched returns a source file with all these defects of it, each live only
// under its number, and those that it could not switch.
func switched(text string, plants []plant) (string, []plant, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "source.go", text, parser.SkipObjectResolution)
	if err != nil {
		return "", nil, err
	}
	offset := func(p token.Pos) int { return files.Position(p).Offset }
	var alone []plant
	inside := map[*ast.FuncDecl][]plant{}
	for _, p := range plants {
		at := strings.Index(text, p.old)
		i := slices.IndexFunc(file.Decls, func(d ast.Decl) bool {
			f, ok := d.(*ast.FuncDecl)
			return ok && f.Body != nil && offset(f.Body.Lbrace) < at && at+len(p.old) <= offset(f.Body.Rbrace)+1
		})
		if i < 0 {
			alone = append(alone, p)
			continue
		}
		f := file.Decls[i].(*ast.FuncDecl)
		inside[f] = append(inside[f], p)
	}
	var b strings.Builder
	done := 0
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || inside[f] == nil {
			continue
		}
		from, to := offset(f.Type.Func), offset(f.End())
		b.WriteString(text[done:from])
		b.WriteString(variants(text[from:to], offset(f.Name.Pos())-from, f, inside[f], func(n ast.Node) string {
			return text[offset(n.Pos()):offset(n.End())]
		}))
		done = to
	}
	b.WriteString(text[done:])
	return b.String(), alone, nil
}

// variants returns the function as it is, one for each defect, and the one that
// chooses among them. name is where the function's name stands in its source.
func variants(source string, name int, f *ast.FuncDecl, plants []plant, text func(ast.Node) string) string {
	var b strings.Builder
	variant := func(source string, number int) {
		fmt.Fprintf(&b, "%s__%d%s\n\n", source[:name+len(f.Name.Name)], number, source[name+len(f.Name.Name):])
	}
	receiver, call := "", f.Name.Name
	if f.Recv != nil {
		field := f.Recv.List[0]
		its := "receiver"
		if len(field.Names) > 0 && field.Names[0].Name != "_" {
			its = field.Names[0].Name
		}
		receiver = fmt.Sprintf("(%s %s) ", its, text(field.Type))
		call = its + "." + call
	}
	types, typeNames := "", ""
	if f.Type.TypeParams != nil {
		types = text(f.Type.TypeParams)
		var names []string
		for _, field := range f.Type.TypeParams.List {
			for _, n := range field.Names {
				names = append(names, n.Name)
			}
		}
		typeNames = "[" + strings.Join(names, ", ") + "]"
	}
	params, args := parameters(f.Type.Params, text)
	results, keyword := "", ""
	if f.Type.Results != nil {
		results, keyword = " "+text(f.Type.Results), "return "
	}
	variant(source, 0)
	fmt.Fprintf(&b, "func %s%s%s(%s)%s {\n\tswitch leasekitPlanted {\n", receiver, f.Name.Name, types, params, results)
	for _, p := range plants {
		fmt.Fprintf(&b, "\tcase %d:\n\t\t%s%s__%d%s(%s)\n", p.number, keyword, call, p.number, typeNames, args)
		if keyword == "" {
			b.WriteString("\t\treturn\n")
		}
	}
	fmt.Fprintf(&b, "\t}\n\t%s%s__0%s(%s)\n}\n\n", keyword, call, typeNames, args)
	for _, p := range plants {
		variant(strings.Replace(source, p.old, p.new, 1), p.number)
	}
	return b.String()
}

// parameters returns a function's parameters, each with a name, and the
// arguments that pass them on.
func parameters(list *ast.FieldList, text func(ast.Node) string) (params, args string) {
	var all, names []string
	for _, field := range list.List {
		its := field.Names
		if len(its) == 0 {
			its = []*ast.Ident{{Name: "_"}}
		}
		for _, n := range its {
			name := n.Name
			if name == "_" {
				name = fmt.Sprintf("parameter%d", len(all))
			}
			all = append(all, name+" "+text(field.Type))
			if _, variadic := field.Type.(*ast.Ellipsis); variadic {
				name += "..."
			}
			names = append(names, name)
		}
	}
	return strings.Join(all, ", "), strings.Join(names, ", ")
}

// chooser is the file that each package with switches gets besides.
func chooser(pkg string) string {
	return fmt.Sprintf(`package %s

import (
	"os"
	"strconv"
)

var leasekitPlanted, _ = strconv.Atoi(os.Getenv(%q))
`, pkg, variable)
}

// inScripts turns a defect of a Lua file into one of the function that reads the
// file, which can be switched.
func inScripts(p plant) plant {
	if filepath.Ext(p.file) != ".lua" {
		return p
	}
	module := strings.TrimSuffix(filepath.Base(p.file), ".lua")
	const read = "withConstants(string(source))"
	p.old, p.new = read, fmt.Sprintf("withConstants(func() string {\n\t\tif name == %q {\n\t\t\treturn strings.Replace(string(source), %q, %q, 1)\n\t\t}\n\t\treturn string(source)\n\t}())", module, p.old, p.new)
	p.file = "script.go"
	return p
}
