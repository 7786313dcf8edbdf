package hosts

import (
	"encoding/json"
	"strings"
)

// fields are the members of a JSON object. A member that is missing, or of
// another type than asked for, counts as empty: hosts add and change fields.
type fields map[string]json.RawMessage

func object(raw json.RawMessage) fields {
	var f fields
	if json.Unmarshal(raw, &f) == nil {
		return f
	}
	var text string // some hosts send the arguments as a string of JSON
	if json.Unmarshal(raw, &text) == nil && json.Unmarshal([]byte(text), &f) == nil {
		return f
	}
	return nil
}

// text returns the first of these members that is a string and not empty.
func (f fields) text(names ...string) string {
	for _, name := range names {
		var s string
		if raw, ok := f[name]; ok && json.Unmarshal(raw, &s) == nil && s != "" {
			return s
		}
	}
	return ""
}

func (f fields) flag(names ...string) bool {
	for _, name := range names {
		var b bool
		if raw, ok := f[name]; ok && json.Unmarshal(raw, &b) == nil && b {
			return true
		}
	}
	return false
}

func (f fields) has(name string) bool { _, ok := f[name]; return ok }

func (f fields) object(name string) fields {
	if raw, ok := f[name]; ok {
		return object(raw)
	}
	return nil
}

// list returns the elements of an array; a single value counts as one element.
func (f fields) list(name string) []json.RawMessage {
	raw, ok := f[name]
	if !ok {
		return nil
	}
	var all []json.RawMessage
	if json.Unmarshal(raw, &all) != nil {
		all = []json.RawMessage{raw}
	}
	return all
}

// pathNames are the members of a tool's input that name a file.
var pathNames = []string{"file_path", "filePath", "notebook_path", "notebookPath", "absolute_path", "target_file", "target_notebook", "path", "filename"}

// listNames are the members that hold several files, or several edits with one
// file each.
var listNames = []string{"files", "paths", "file_paths", "filePaths", "edits", "replacements"}

// maxFiles bounds how many files one call may name. A lease has at most 256
// claims; what is beyond that is refused, so there is no use in reading on.
const maxFiles = 4096

// files returns the files that a tool's input names, each once.
func (f fields) files() []string {
	var out []string
	seen := make(map[string]bool)
	add := func(name string) {
		if name = strings.TrimPrefix(name, "file://"); name != "" && !seen[name] && len(out) < maxFiles {
			seen[name] = true
			out = append(out, name)
		}
	}
	for _, name := range pathNames {
		add(f.text(name))
	}
	for _, name := range listNames {
		for _, raw := range f.list(name) {
			var s string
			if json.Unmarshal(raw, &s) == nil {
				add(s)
				continue
			}
			element := object(raw)
			for _, n := range pathNames {
				add(element.text(n))
			}
		}
	}
	for _, name := range []string{"patchText", "patch", "input"} {
		if patch := f.text(name); strings.Contains(patch, patchBegin) {
			for _, file := range PatchFiles(patch) {
				add(file)
			}
		}
	}
	return out
}

// command returns the command line of a shell tool. Some clients send the
// arguments of a program instead.
func (f fields) command() string {
	if s := f.text("command", "cmd", "script"); s != "" {
		return s
	}
	var args []string
	if json.Unmarshal(f["command"], &args) != nil || len(args) == 0 {
		return ""
	}
	if n := len(args); n >= 3 && isShell(args[0]) && strings.HasPrefix(args[n-2], "-") && strings.HasSuffix(args[n-2], "c") {
		return args[n-1]
	}
	for i, a := range args {
		args[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
	}
	return strings.Join(args, " ")
}

func isShell(program string) bool {
	switch program[strings.LastIndexByte(program, '/')+1:] {
	case "sh", "bash", "dash", "zsh", "ksh":
		return true
	}
	return false
}
