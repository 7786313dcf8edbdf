package agents

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func numbered(dir string, n int) []string {
	var files []string
	for i := range n {
		files = append(files, fmt.Sprintf("%s%d.go", dir, i))
	}
	return files
}

func TestDirectories(t *testing.T) {
	files := append(numbered("a/", largest), numbered("b/large/", largest+1)...)
	require.Equal(t, []string{"a"}, directories(append(files, "top.go")))
}

func TestRefuse(t *testing.T) {
	require.NoError(t, refuse(numbered("a/", wanted)))
	require.ErrorContains(t, refuse(numbered("a/", wanted-1)), "too few")
	require.ErrorContains(t, refuse(numbered("", 100)), "no directory")
	require.ErrorContains(t, refuse(numbered("a/", 100)), "no directory")
}

// Only what a stamp can be added to, and told from, is copied.
func TestCopyTree(t *testing.T) {
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "tree")
	for name, text := range map[string]string{
		"a.go": "package a\n", "cut.go": "package a", "edited.go": "package a\n" + stamp{Count: 1}.line(), "a.txt": "a\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(from, name), []byte(text), 0o600))
	}
	names, err := copyTree(from, to)
	require.NoError(t, err)
	require.Equal(t, []string{"a.go"}, names)
}
