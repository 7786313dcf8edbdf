package shellwrites

import (
	"strconv"
	"strings"
)

// diffFiles returns the files that a patch in diff's form changes, as the patch
// spells them. patch(1) and git take away the first strip parts of a name.
func diffFiles(text string, strip int) []string {
	var out []string
	old := ""
	add := func(name string) {
		name, _, _ = strings.Cut(name, "\t")
		if name = strings.TrimSpace(name); name == "" || name == "/dev/null" || strings.HasPrefix(name, `"`) {
			return
		}
		parts := strings.Split(name, "/")
		if len(parts) > strip {
			out = append(out, strings.Join(parts[strip:], "/"))
		}
	}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case strings.HasPrefix(line, "--- "):
			old = line[4:]
		case strings.HasPrefix(line, "+++ ") && old != "":
			add(old)
			add(line[4:])
			old = ""
		case strings.HasPrefix(line, "rename from "):
			out = append(out, strings.TrimPrefix(line, "rename from "))
		case strings.HasPrefix(line, "rename to "):
			out = append(out, strings.TrimPrefix(line, "rename to "))
		}
	}
	return out
}

// patch looks at patch(1).
func patch(f *finder, c command) {
	options, operands := c.flags("-p --strip -i --input -d --directory -o --output -D -B -V -z")
	if has(options, "--dry-run") {
		return
	}
	in := c.in
	for _, name := range []string{"-i", "--input"} {
		if file, ok := options[name]; ok {
			in = f.small(c.scope, file)
		}
	}
	s := c.scope
	for _, name := range []string{"-d", "--directory"} {
		if dir, ok := options[name]; ok {
			s = s.subshell()
			cd(f, command{args: args{{text: dir, known: true}}, scope: s})
		}
	}
	if len(operands) > 0 && operands[0].known {
		f.writes(s, operands[0].text)
		return
	}
	strip, err := strconv.Atoi(options["-p"] + options["--strip"])
	files := diffFiles(in.text, strip)
	if !in.known || err != nil || len(files) == 0 {
		f.unknown(c.name)
		return
	}
	for _, name := range files {
		f.writes(s, name)
	}
}
