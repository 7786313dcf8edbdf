package shellwrites

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write what is found to testdata/table.txt, to be reviewed")

const table = "testdata/table.txt"

// tree makes the folders that the table's command lines run in.
func tree(tb testing.TB) string {
	tb.Helper()
	dir := tb.TempDir()
	for name, text := range map[string]string{
		"notes.txt": "alpha\n", "a.txt": "", "b.txt": "", "a.o": "", "b.o": "", "with space.txt": "", "main.go": "",
		"sub/deep.txt": "", "sub/other.go": "", "src/x/y.go": "", ".git/HEAD": "ref: refs/heads/main\n",
		"fix.patch": "--- a/notes.txt\n+++ b/notes.txt\n@@ -1 +1 @@\n-alpha\n+beta\n--- /dev/null\n+++ b/sub/new.txt\n@@ -0,0 +1 @@\n+x\n",
	} {
		name = filepath.Join(dir, name)
		require.NoError(tb, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(tb, os.WriteFile(name, []byte(text), 0o600))
	}
	return dir
}

// Each command line of the table writes what the table says, which was reviewed
// by hand. A block is a command line after "$ " (more lines of it after "| "),
// then "writes FILE", "tree FOLDER" and "unknown WORDS".
func TestTable(t *testing.T) {
	b, err := os.ReadFile(table)
	require.NoError(t, err)
	dir := tree(t)
	var got strings.Builder
	commands := 0
	for block := range strings.SplitSeq(strings.TrimSpace(string(b)), "\n\n") {
		lines := strings.Split(block, "\n")
		if strings.HasPrefix(lines[0], "#") {
			got.WriteString(block + "\n\n")
			continue
		}
		command, ok := strings.CutPrefix(lines[0], "$ ")
		require.True(t, ok, lines[0])
		got.WriteString(lines[0] + "\n")
		for _, line := range lines[1:] {
			if more, ok := strings.CutPrefix(line, "| "); ok || line == "|" {
				command += "\n" + more
				got.WriteString(line + "\n")
			}
		}
		commands++
		got.WriteString(describe(Find(command, Options{Dir: dir, Home: "/home/u"}), dir) + "\n")
	}
	text := strings.TrimSpace(got.String()) + "\n"
	if *update {
		require.NoError(t, os.WriteFile(table, []byte(text), 0o600))
	}
	require.Equal(t, string(b), text)
	require.GreaterOrEqual(t, commands, 150)
}

func describe(r Result, dir string) string {
	var b strings.Builder
	for _, w := range r.Writes {
		name := w.Name
		if rel, ok := strings.CutPrefix(name, dir+"/"); ok {
			name = rel
		} else if name == dir {
			name = "."
		}
		verb := "writes "
		if w.Tree {
			verb = "tree "
		}
		b.WriteString("  " + verb + name + "\n")
	}
	for _, u := range r.Unknown {
		b.WriteString("  unknown " + strings.ReplaceAll(u, "\n", " ") + "\n")
	}
	return b.String()
}

// Commands that would take for ever, or all memory, end soon and count as
// unknown.
func TestBounds(t *testing.T) {
	dir := tree(t)
	for name, command := range map[string]string{
		"a huge sequence":           "touch {1..2000000000}",
		"braces times braces":       "touch " + strings.Repeat("{a,b}", 60),
		"a value that doubles":      "x=aaaaaaaa\n" + strings.Repeat("x=$x$x\n", 60) + "touch $x",
		"loops within loops":        strings.Repeat("for i in 1 2 3 4 5 6 7 8 9; do ", 12) + "touch $i" + strings.Repeat("; done", 12),
		"a function of itself":      "f() { f; f; touch a; }; f",
		"functions that call":       "f() { g; g; }; g() { f; f; }; f",
		"deep parentheses":          strings.Repeat("(", 300_000) + "touch a",
		"deep ifs":                  strings.Repeat("if ", 300_000) + "touch a",
		"deep substitutions":        strings.Repeat("$(", 10_000) + "touch a" + strings.Repeat(")", 10_000),
		"eval of eval":              "x='eval \"$x\"'; eval \"$x\"",
		"a very long line":          "echo " + strings.Repeat("a", 2<<20) + " > a",
		"very many files":           "touch " + strings.Repeat("a ", 1) + strings.Join(numbers(3000), " "),
		"sh in sh":                  strings.Repeat("sh -c 'true; ", 1) + strings.Repeat("sh -c \"", 200),
		"a pattern on the root":     "rm -f /*/*/*/*/*/*",
		"find on the whole root":    "find / -name x -delete",
		"replacing in a long value": "x=" + strings.Repeat("a", 4000) + "; touch ${x//a/" + strings.Repeat("b", 4000) + "}",
	} {
		t.Run(name, func(t *testing.T) {
			r := Find(command, Options{Dir: dir})
			require.NotEmpty(t, r.Unknown)
			require.LessOrEqual(t, len(r.Writes), maxWrites)
		})
	}
}

func numbers(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = strings.Repeat("x", i%50+1)
	}
	return out
}

func FuzzFind(f *testing.F) {
	b, err := os.ReadFile(table)
	require.NoError(f, err)
	for block := range strings.SplitSeq(string(b), "\n\n") {
		if command, ok := strings.CutPrefix(strings.Split(block, "\n")[0], "$ "); ok {
			f.Add(command)
		}
	}
	dir := tree(f)
	f.Fuzz(func(t *testing.T, command string) {
		r := Find(command, Options{Dir: dir, Home: "/home/u"})
		for _, w := range r.Writes {
			require.True(t, filepath.IsAbs(w.Name), w.Name)
			require.NotContains(t, w.Name, "\x00")
		}
	})
}
