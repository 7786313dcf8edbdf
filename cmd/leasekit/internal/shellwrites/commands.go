package shellwrites

import (
	"path"
	"strings"
)

// command is one simple command that is looked at.
type command struct {
	name  string
	args  args
	scope *scope
	in    input
}

// commands has the commands that are known to write, change the shell's state,
// or run something else.
var commands map[string]func(*finder, command)

func init() { // the table refers to functions that use the table
	commands = map[string]func(*finder, command){
		"cd": cd, "pushd": pushd, "popd": popd, "eval": eval, "source": source1, ".": source1, "trap": trap,
		"sh": shell, "bash": shell, "dash": shell, "zsh": shell, "ksh": shell,
		"tee": tee, "sed": sed, "perl": perl, "awk": awk, "gawk": awk, "mv": move, "cp": copies, "install": install, "ln": link,
		"rm": remove, "unlink": remove, "shred": remove, "rmdir": touch, "touch": touch, "truncate": truncate, "mkdir": mkdir,
		"dd": dd, "apply_patch": applyPatch, "patch": patch, "sort": output("-o --output="),
		"curl": output("-o --output --output= --output-dir"), "wget": output("-O --output-document="), "rsync": rsync,
		"gzip": compress, "gunzip": compress, "bzip2": compress, "xz": compress, "tar": tar, "zip": zip, "uniq": uniq, "split": unknowable, "xargs": xargs,
		"gofmt": inPlace("-w"), "goimports": inPlace("-w"), "gofumpt": inPlace("-w"), "clang-format": inPlace("-i"),
		"prettier": inPlace("--write -w"), "eslint": inPlace("--fix"), "black": inPlace(""), "isort": inPlace(""), "rustfmt": inPlace(""),
		"shfmt": inPlace("-w"), "autopep8": inPlace("-i --in-place"), "dos2unix": inPlace(""), "unix2dos": inPlace(""),
		"git": git, "fd": unknowable,
	}
}

// flags splits arguments into options and operands. Options in withValue, a
// list like "-t --target-directory", take the next argument as their value.
func (c command) flags(withValue string) (options map[string]string, operands args) {
	options = make(map[string]string)
	takes := set(withValue)
	for i := 0; i < len(c.args); i++ {
		one := c.args[i]
		text := one.text
		switch {
		case !one.known:
			operands = append(operands, one)
		case text == "--":
			return options, append(operands, c.args[i+1:]...)
		case strings.HasPrefix(text, "--"):
			name, value, given := strings.Cut(text, "=")
			if !given && takes[name] && i+1 < len(c.args) {
				i++
				value = c.args[i].text
			}
			options[name] = value
		case len(text) > 1 && text[0] == '-':
			i += c.letters(text, takes, i, options)
		default:
			operands = append(operands, one)
		}
	}
	return options, operands
}

// letters reads "-rf" or "-tDIR" and returns how many further arguments it took.
func (c command) letters(text string, takes map[string]bool, i int, options map[string]string) int {
	for j := 1; j < len(text); j++ {
		name := "-" + text[j:j+1]
		if !takes[name] {
			options[name] = ""
			continue
		}
		if j+1 < len(text) {
			options[name] = text[j+1:]
			return 0
		}
		if i+1 < len(c.args) {
			options[name] = c.args[i+1].text
			return 1
		}
	}
	return 0
}

func has(options map[string]string, names ...string) bool {
	for _, n := range names {
		if _, ok := options[n]; ok {
			return true
		}
	}
	return false
}

// each calls do with every operand that is known; the others are unknown.
func (f *finder) each(c command, operands args, do func(name string)) {
	for _, one := range operands {
		if !one.known {
			f.unknown(c.name + " " + one.text)
			continue
		}
		do(one.text)
	}
}

func cd(f *finder, c command) {
	_, operands := c.flags("")
	s := c.scope
	switch {
	case len(operands) == 0:
		s.chdir(s.home, s.home != "")
	case !operands[0].known:
		s.chdir("", false)
		f.unknown("cd " + operands[0].text)
	case operands[0].text == "-":
		s.chdir(s.old, s.old != "")
	default:
		full, ok := s.full(operands[0].text)
		s.chdir(full, ok)
	}
}

func pushd(f *finder, c command) {
	c.scope.stack = append(c.scope.stack, c.scope.dir)
	if len(c.args) == 1 && !strings.HasPrefix(c.args[0].text, "+") && !strings.HasPrefix(c.args[0].text, "-") {
		cd(f, c)
		return
	}
	c.scope.chdir("", false)
}

func popd(_ *finder, c command) {
	s := c.scope
	if n := len(s.stack); n > 0 && len(c.args) == 0 {
		s.chdir(s.stack[n-1], s.stack[n-1] != "")
		s.stack = s.stack[:n-1]
		return
	}
	s.chdir("", false)
}

func eval(f *finder, c command) {
	var texts []string
	for _, one := range c.args {
		if !one.known {
			f.unknown("eval " + one.text)
			return
		}
		texts = append(texts, one.text)
	}
	f.script(strings.Join(texts, " "), c.scope)
}

func source1(f *finder, c command) {
	if len(c.args) > 0 {
		f.unknown(c.name + " " + c.args[0].text)
	}
}

func trap(f *finder, c command) {
	if len(c.args) >= 2 && c.args[0].known && c.args[0].text != "-" {
		f.script(c.args[0].text, c.scope.subshell())
	}
}

// shell looks at "sh -c TEXT" and at a script that comes through a pipe or a
// here document. A script in a file may be anything.
func shell(f *finder, c command) {
	options, operands := c.flags("-o -O")
	switch {
	case has(options, "-n"):
	case has(options, "-c"):
		if len(operands) == 0 || !operands[0].known {
			f.unknown(c.name + " -c")
			return
		}
		inner := c.scope.subshell()
		for i, one := range operands[1:] {
			if i > 0 && i < 10 {
				inner.vars[positional[i-1]] = value{known: one.known, text: one.text}
			}
		}
		f.script(operands[0].text, inner)
	case len(operands) > 0 && !has(options, "-s"):
		f.unknown(c.name + " " + operands[0].text)
	case c.in.known:
		f.script(c.in.text, c.scope.subshell())
	default:
		f.unknown(c.name)
	}
}

func unknowable(f *finder, c command) { f.unknown(c.name) }

// output returns a look at commands that write the file that an option names.
// What they would write without it is unknown, except for standard output.
func output(options string) func(*finder, command) {
	names := strings.Fields(options)
	return func(f *finder, c command) {
		found := false
		for i, one := range c.args {
			for _, name := range names {
				switch {
				case strings.HasSuffix(name, "=") && strings.HasPrefix(one.text, name):
					found = true
					f.output(c, arg{text: strings.TrimPrefix(one.text, name), known: one.known})
				case one.text == name && name == "--output-dir":
					f.unknown(c.name + " " + name)
				case one.text == name && i+1 < len(c.args):
					found = true
					f.output(c, c.args[i+1])
				case len(name) == 2 && len(one.text) > 2 && strings.HasPrefix(one.text, name):
					found = true
					f.output(c, arg{text: one.text[2:], known: one.known})
				}
			}
		}
		if !found && c.name == "wget" {
			f.unknown(c.name)
		}
		if c.name == "curl" {
			f.remoteName(c)
		}
	}
}

func (f *finder) output(c command, file arg) {
	switch {
	case !file.known:
		f.unknown(c.name + " " + file.text)
	case file.text != "-":
		f.writes(c.scope, file.text)
	}
}

// remoteName looks at "curl -O URL", which writes the URL's last part.
func (f *finder) remoteName(c command) {
	remote := false
	for _, one := range c.args {
		switch {
		case one.text == "-O", one.text == "--remote-name", len(one.text) > 2 && one.text[0] == '-' && one.text[1] != '-' && strings.HasSuffix(one.text, "O"):
			remote = true
		case one.text == "-J", one.text == "--remote-name-all":
			f.unknown("curl " + one.text)
		}
	}
	for _, one := range c.args {
		if remote && one.known && strings.Contains(one.text, "://") {
			url, _, _ := strings.Cut(one.text, "?")
			f.writes(c.scope, path.Base(url))
		}
	}
}

// inPlace returns a look at formatters, which rewrite the files they are given
// if one of the options is there (none: always). What they do in a folder is
// unknown.
func inPlace(options string) func(*finder, command) {
	names := strings.Fields(options)
	return func(f *finder, c command) {
		given, operands := c.flags("--config --parser -r")
		if len(names) > 0 && !has(given, names...) || has(given, "--check", "--diff", "-d") {
			return
		}
		f.each(c, operands, func(name string) {
			if c.scope.isDir(name) || strings.Contains(name, "*") {
				f.unknown(c.name + " " + name)
				return
			}
			f.writes(c.scope, name)
		})
	}
}
