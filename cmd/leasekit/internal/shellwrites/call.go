package shellwrites

import (
	"path"
	"strings"
	"sync"

	"mvdan.cc/sh/v3/syntax"
)

// arg is one argument of a command, or a word whose expansion is not known.
type arg struct {
	text  string
	known bool
}

// args are a command's arguments, without its name.
type args []arg

// call looks at a simple command.
func (f *finder) call(c *syntax.CallExpr, s *scope, in input) input {
	for _, w := range c.Args {
		f.substitutions(w, s)
	}
	if len(c.Args) == 0 {
		f.assign(c.Assigns, s)
		return input{}
	}
	// A command's own assignments are not seen by its words.
	words := make(args, 0, len(c.Args))
	for _, w := range c.Args {
		if writesToProcess(w) {
			words = append(words, arg{text: "/dev/fd/63", known: true})
			continue
		}
		texts, known := f.fields(s, w)
		if !known {
			words = append(words, arg{text: source(w)})
			continue
		}
		for _, text := range texts {
			words = append(words, arg{text: text, known: true})
		}
		if len(words) > maxFields {
			f.unknown("very many arguments")
			return input{}
		}
	}
	return f.run(words, s, in)
}

// run looks at a command by its name and arguments.
func (f *finder) run(words args, s *scope, in input) input {
	if len(words) == 0 {
		return input{}
	}
	if !words[0].known {
		f.unknown(words[0].text)
		return input{}
	}
	if body, ok := s.funcs[words[0].text]; ok {
		f.function(body, words[1:], s, in)
		return input{}
	}
	name := path.Base(words[0].text)
	rest := words[1:]
	if wrapped, ok := f.unwrap(name, rest); ok {
		if wrapped == nil {
			return input{}
		}
		inner := s
		if name == "env" || name == "sudo" || name == "leasekit" {
			inner = s.subshell()
		}
		if f.depth++; f.depth > maxDepth {
			f.unknown("a very deep command")
		} else {
			in = f.run(wrapped, inner, in)
		}
		f.depth--
		return in
	}
	switch name {
	case "echo", "printf":
		return printed(name, rest)
	case "find":
		return f.find(rest, s)
	case "cat":
		if len(rest) == 0 {
			return in
		}
	}
	if look, ok := commands[name]; ok {
		look(f, command{name: name, args: rest, scope: s, in: in})
		return input{}
	}
	if !readers()[name] {
		f.unknown(name)
	}
	return input{}
}

// function looks at the body of a function with its arguments.
func (f *finder) function(body *syntax.Stmt, a args, s *scope, in input) {
	if f.depth++; f.depth > maxDepth {
		f.depth--
		f.unknown("a very deep command")
		return
	}
	defer func() { f.depth-- }()
	saved := make(map[string]value)
	for _, name := range positional {
		saved[name] = s.vars[name]
		delete(s.vars, name)
	}
	all := value{known: true}
	for i, one := range a {
		if i < len(positional)-2 {
			s.vars[positional[i]] = value{known: one.known, text: one.text}
		}
		all.known = all.known && one.known
		all.list = append(all.list, one.text)
	}
	all.text = strings.Join(all.list, " ")
	s.vars["@"], s.vars["*"] = all, all
	f.statement(body, s, in)
	for name, v := range saved {
		s.vars[name] = v
	}
}

var positional = []string{"1", "2", "3", "4", "5", "6", "7", "8", "9", "@", "*"}

// unwrap returns the command that a command runs in its place: sudo, env,
// timeout and the like. It reports false if the name is no such command.
func (f *finder) unwrap(name string, a args) (args, bool) {
	withValue, isWrapper := wrappers[name]
	if !isWrapper {
		return nil, false
	}
	if name == "leasekit" {
		// What "leasekit run" wraps counts as any other; the rest writes nothing.
		for i, one := range a {
			if one.text == "--" && len(a) > 0 && a[0].text == "run" {
				return a[i+1:], true
			}
		}
		return nil, true
	}
	for len(a) > 0 {
		one := a[0]
		switch {
		case !one.known:
			f.unknown(name + " " + one.text)
			return nil, true
		case one.text == "--":
			return a[1:], true
		case name == "env" && one.text == "-C" || strings.HasPrefix(one.text, "--chdir"), name == "sudo" && (one.text == "-s" || one.text == "-i"):
			f.unknown(name + " " + one.text)
			return nil, true
		case name == "command" && (one.text == "-v" || one.text == "-V"):
			return nil, true
		case strings.HasPrefix(one.text, "-") && one.text != "-":
			a = a[1:]
			if strings.Contains(withValue, one.text+" ") && len(a) > 0 {
				a = a[1:]
			}
		case name == "env" && strings.Contains(one.text, "="), name == "sudo" && strings.Contains(one.text, "="):
			a = a[1:]
		case name == "timeout", name == "flock":
			return a[1:], true // the duration, or the file
		default:
			return a, true
		}
	}
	return nil, true
}

// wrappers has the commands that run another one, and their options that take a
// value of their own.
var wrappers = map[string]string{
	"sudo": "-u -g -h -p -C -D -R -T ", "doas": "-u -C ", "env": "-u -S ", "command": "", "builtin": "", "exec": "-a ",
	"nohup": "", "nice": "-n ", "ionice": "-c -n ", "time": "-f -o ", "stdbuf": "-i -o -e ", "setsid": "", "timeout": "-s -k ",
	"flock": "-w -E ", "chronic": "", "unbuffer": "", "leasekit": "", "busybox": "",
}

// readers are commands that write no file, whatever their arguments.
var readers = lazySet(`: [ alias awk basename bg bind break cal cat cksum clear cmp column comm continue cut date declare df diff dir dirs
dirname disown du echo egrep enable exit export expr factor false fg fgrep file fmt fold free getconf getent getopts git-lfs grep groups
hash head help hexdump history hostname iconv id jobs join jq kill let local logname look ls lsof man md5sum mktemp nl nproc numfmt od paste pgrep
pidof pkill printenv printf ps pwd read readlink readonly realpath return rev rg seq set sha1sum sha256sum sha512sum shasum shift
shopt sleep stat strings strace sum suspend tac tail test times top tr tree true tsort tty type typeset ulimit umask unalias uname unset uptime
users vdir wait wc whatis whereis which who whoami xxd yes zcat zgrep chmod chown chgrp sync bc dc ag ack fd mapfile readarray tput stty nohup less more`)

// lazySet is set at its first use: most calls of a hook run no shell command.
func lazySet(names string) func() map[string]bool {
	return sync.OnceValue(func() map[string]bool { return set(names) })
}

func set(names string) map[string]bool {
	out := make(map[string]bool)
	for name := range strings.FieldsSeq(names) {
		out[name] = true
	}
	return out
}

// printed is what echo and printf write, for xargs.
func printed(name string, a args) input {
	var texts []string
	for _, one := range a {
		if !one.known {
			return input{}
		}
		texts = append(texts, one.text)
	}
	if name == "echo" {
		for len(texts) > 0 && (texts[0] == "-n" || texts[0] == "-e") {
			texts = texts[1:]
		}
		return input{known: true, text: strings.Join(texts, " ") + "\n"}
	}
	if len(texts) == 0 {
		return input{}
	}
	format, values := texts[0], texts[1:]
	format = strings.NewReplacer(`\n`, "\n", `\t`, "\t", `\0`, "\x00").Replace(format)
	if len(values) == 0 {
		return input{known: !strings.Contains(format, "%"), text: format}
	}
	if strings.Count(format, "%") != 1 || !strings.Contains(format, "%s") {
		return input{}
	}
	var b strings.Builder
	for _, v := range values {
		b.WriteString(strings.Replace(format, "%s", v, 1))
	}
	return input{known: true, text: b.String()}
}
