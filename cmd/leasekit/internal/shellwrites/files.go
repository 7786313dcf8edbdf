package shellwrites

import (
	"path/filepath"
	"strings"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/hosts"
)

func tee(f *finder, c command) {
	_, operands := c.flags("")
	f.each(c, operands, func(name string) { f.writes(c.scope, name) })
}

// sed writes its files with -i, and their backups with -i SUFFIX.
func sed(f *finder, c command) {
	inPlace, script, suffix := false, false, ""
	var operands args
	for i := 0; i < len(c.args); i++ {
		switch t := c.args[i].text; {
		case t == "--":
			operands = append(operands, c.args[i+1:]...)
			i = len(c.args)
		case t == "-i" || t == "-I":
			inPlace = true
			// The other sed wants the suffix apart, empty for none.
			if i+1 < len(c.args) && c.args[i+1].known && c.args[i+1].text == "" {
				i++
			}
		case strings.HasPrefix(t, "-i"):
			inPlace, suffix = true, t[2:]
		case strings.HasPrefix(t, "--in-place"):
			inPlace = true
			_, suffix, _ = strings.Cut(t, "=")
		case t == "-e" || t == "-f" || t == "--expression" || t == "--file":
			script = true
			i++
		case strings.HasPrefix(t, "--expression=") || strings.HasPrefix(t, "--file="):
			script = true
		case t == "-l" || t == "--line-length":
			i++
		case strings.HasPrefix(t, "-") && len(t) > 1 && !strings.HasPrefix(t, "--"):
			// Letters together: "-ni", "-Ei.bak", "-ne".
			letters := t[1:]
			if at := strings.IndexByte(letters, 'i'); at >= 0 && !strings.ContainsAny(letters[:at], "ef") {
				inPlace, suffix = true, letters[at+1:]
			} else if strings.HasSuffix(letters, "e") || strings.HasSuffix(letters, "f") {
				script = true
				i++
			}
		case strings.HasPrefix(t, "--"):
		default:
			operands = append(operands, c.args[i])
		}
	}
	if !script && len(operands) > 0 {
		operands = operands[1:]
	}
	if !inPlace {
		return
	}
	f.each(c, operands, func(name string) {
		f.writes(c.scope, name)
		switch {
		case suffix == "" || strings.Contains(suffix, "/"):
		case strings.Contains(suffix, "*"):
			f.writes(c.scope, filepath.Join(filepath.Dir(name), strings.ReplaceAll(suffix, "*", filepath.Base(name))))
		default:
			f.writes(c.scope, name+suffix)
		}
	})
}

// perl rewrites its files with -i; its program may write anything.
func perl(f *finder, c command) {
	inPlace, program := false, false
	var operands args
	for i := 0; i < len(c.args); i++ {
		switch t := c.args[i].text; {
		case t == "--":
		case strings.HasPrefix(t, "-") && len(t) > 1:
			if strings.Contains(t, "i") && !strings.HasPrefix(t, "-M") && !strings.HasPrefix(t, "-I") {
				inPlace = true
			}
			if strings.HasSuffix(t, "e") || strings.HasSuffix(t, "E") {
				program = true
				i++
			}
		default:
			operands = append(operands, c.args[i])
		}
	}
	if !inPlace || !program {
		f.unknown(c.name)
		return
	}
	f.each(c, operands, func(name string) { f.writes(c.scope, name) })
}

// awk writes its files with -i inplace; its program may write others.
func awk(f *finder, c command) {
	options, operands := c.flags("-f -v -F -i --include --file --assign")
	if len(operands) > 0 && !has(options, "-f", "--file") {
		if program := operands[0]; !program.known || strings.ContainsAny(strings.NewReplacer(">=", "", "->", "", "||", "").Replace(program.text), ">|") || strings.Contains(program.text, "system") {
			f.unknown(c.name)
		}
		operands = operands[1:]
	} else if has(options, "-f", "--file") {
		f.unknown(c.name)
	}
	if options["-i"] == "inplace" || options["--include"] == "inplace" {
		f.each(c, operands, func(name string) { f.writes(c.scope, name) })
	}
}

// target returns where a file goes that is copied or moved to a name.
func target(s *scope, from, to string, asFile bool) string {
	if !asFile && (s.isDir(to) || strings.HasSuffix(to, "/")) {
		return strings.TrimSuffix(to, "/") + "/" + filepath.Base(strings.TrimSuffix(from, "/"))
	}
	return to
}

// sources splits the operands of cp, mv, ln and install into what is taken and
// where it goes.
func sources(options map[string]string, operands args) (from args, to arg, ok bool) {
	for _, name := range []string{"-t", "--target-directory"} {
		if dir, given := options[name]; given {
			return operands, arg{text: strings.TrimSuffix(dir, "/") + "/", known: true}, len(operands) > 0
		}
	}
	if len(operands) < 2 {
		return nil, arg{}, false
	}
	from, to = operands[:len(operands)-1], operands[len(operands)-1]
	if len(from) > 1 && !strings.HasSuffix(to.text, "/") {
		to.text += "/" // several go into a folder
	}
	return from, to, true
}

const copyValues = "-t --target-directory -S --suffix -m -o -g --mode --owner --group"

// places records where each source goes, and calls also for each of them.
func (f *finder) places(c command, tree func(name string) bool, also func(name string)) {
	options, operands := c.flags(copyValues)
	from, to, ok := sources(options, operands)
	if !ok {
		return
	}
	if !to.known {
		f.unknown(c.name + " ... " + to.text)
	}
	for _, one := range from {
		if !one.known {
			f.unknown(c.name + " " + one.text)
			if to.known && !c.scope.isDir(to.text) && !strings.HasSuffix(to.text, "/") {
				f.writes(c.scope, to.text)
			}
			continue
		}
		if also != nil {
			also(one.text)
		}
		if !to.known {
			continue
		}
		name := target(c.scope, one.text, to.text, has(options, "-T", "--no-target-directory"))
		if tree(one.text) {
			f.writesTree(c.scope, name)
		} else {
			f.writes(c.scope, name)
		}
	}
}

func move(f *finder, c command) {
	f.places(c, c.scope.isDir, func(name string) { f.removes(c.scope, name) })
}

func copies(f *finder, c command) {
	options, _ := c.flags(copyValues)
	recursive := has(options, "-r", "-R", "-a", "--recursive", "--archive")
	f.places(c, func(name string) bool { return recursive && c.scope.isDir(name) }, nil)
}

func install(f *finder, c command) {
	if options, _ := c.flags(copyValues); has(options, "-d", "--directory") {
		return
	}
	f.places(c, func(string) bool { return false }, nil)
}

func link(f *finder, c command) {
	_, operands := c.flags(copyValues)
	if len(operands) == 1 { // the link gets its target's last part as a name
		f.each(c, operands, func(name string) { f.writes(c.scope, filepath.Base(name)) })
		return
	}
	f.places(c, func(string) bool { return false }, nil)
}

func remove(f *finder, c command) {
	options, operands := c.flags("")
	recursive := has(options, "-r", "-R", "--recursive")
	f.each(c, operands, func(name string) {
		if recursive {
			f.removes(c.scope, name)
			return
		}
		f.writes(c.scope, name)
	})
}

func touch(f *finder, c command) {
	_, operands := c.flags("-d -r -t --date --reference")
	f.each(c, operands, func(name string) { f.writes(c.scope, name) })
}

func truncate(f *finder, c command) {
	_, operands := c.flags("-s -r --size --reference")
	f.each(c, operands, func(name string) { f.writes(c.scope, name) })
}

// mkdir claims the folders that do not exist yet: to make sure of one that does
// changes nothing.
func mkdir(f *finder, c command) {
	_, operands := c.flags("-m --mode")
	f.each(c, operands, func(name string) {
		if !c.scope.isDir(name) {
			f.writes(c.scope, strings.TrimRight(name, "/"))
		}
	})
}

func dd(f *finder, c command) {
	for _, one := range c.args {
		if name, ok := strings.CutPrefix(one.text, "of="); ok {
			f.output(c, arg{text: name, known: one.known})
		}
	}
}

// applyPatch is Codex' own program, with the patch as its argument or input.
func applyPatch(f *finder, c command) {
	text, known := c.in.text, c.in.known
	if len(c.args) > 0 {
		text, known = c.args[0].text, c.args[0].known
	}
	files := hosts.PatchFiles(text)
	if !known || len(files) == 0 {
		f.unknown(c.name)
		return
	}
	for _, name := range files {
		f.writes(c.scope, name)
	}
}

func rsync(f *finder, c command) {
	options, operands := c.flags("-e --rsh --exclude --include --filter -f")
	if len(operands) < 2 || has(options, "-n", "--dry-run") {
		return
	}
	to := operands[len(operands)-1]
	if !to.known {
		f.unknown(c.name + " " + to.text)
		return
	}
	if !strings.Contains(to.text, ":") {
		f.writesTree(c.scope, to.text)
	}
}

// compress looks at gzip and its kin, which put one file in another's place.
func compress(f *finder, c command) {
	options, operands := c.flags("-S")
	if has(options, "-c", "--stdout", "-t", "--test", "-l", "--list") {
		return
	}
	suffix := map[string]string{"gzip": ".gz", "gunzip": ".gz", "bzip2": ".bz2", "xz": ".xz"}[c.name]
	f.each(c, operands, func(name string) {
		f.writes(c.scope, name)
		if bare, ok := strings.CutSuffix(name, suffix); ok {
			f.writes(c.scope, bare)
		} else {
			f.writes(c.scope, name+suffix)
		}
	})
}

// tar writes the archive when it makes one; what it unpacks is unknown.
func tar(f *finder, c command) {
	if len(c.args) == 0 {
		return
	}
	mode := strings.TrimLeft(c.args[0].text, "-")
	switch {
	case strings.HasPrefix(c.args[0].text, "--") || strings.ContainsRune(mode, 'x'):
		f.unknown(c.name)
	case strings.ContainsAny(mode, "cru"):
		at := strings.IndexByte(mode, 'f')
		if at == len(mode)-1 && len(c.args) > 1 {
			f.output(c, c.args[1])
			return
		}
		f.unknown(c.name)
	}
}

func zip(f *finder, c command) {
	_, operands := c.flags("-x -i")
	if len(operands) > 0 {
		f.output(c, operands[0])
	}
}

// uniq writes its second operand.
func uniq(f *finder, c command) {
	if _, operands := c.flags("-f -s -w"); len(operands) == 2 {
		f.output(c, operands[1])
	}
}
