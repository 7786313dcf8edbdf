package hosts

import "strings"

const patchBegin = "*** Begin Patch"

// patchHeads begin the lines of a patch that name a file.
var patchHeads = []string{"*** Add File: ", "*** Update File: ", "*** Delete File: ", "*** Move to: "}

// PatchFiles returns the files that a patch in the form of Codex' apply_patch
// adds, changes, deletes or moves, each once, as the patch spells them.
func PatchFiles(patch string) []string {
	var out []string
	seen := make(map[string]bool)
	for line := range strings.Lines(patch) {
		line = strings.TrimRight(line, "\r\n")
		for _, head := range patchHeads {
			// Content lines begin with "+", "-" or a space, so a head is at the
			// start; the client trims the line before it looks.
			name, ok := strings.CutPrefix(strings.TrimSpace(line), head)
			if !ok || strings.HasPrefix(line, "+") || strings.HasPrefix(line, "-") {
				continue
			}
			if name = strings.TrimSpace(name); name != "" && !seen[name] && len(out) < maxFiles {
				seen[name] = true
				out = append(out, name)
			}
		}
	}
	return out
}
