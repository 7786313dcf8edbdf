package open

import (
	"os"
	"path/filepath"
	"strings"
)

// Git is a git work tree, read from its files without running git.
type Git struct {
	Root     string // the work tree's top folder
	Dir      string // its git directory
	Common   string // the git directory that all linked work trees share
	Worktree string // the linked work tree's name; empty for the main one
}

// findGit returns the work tree whose top folder is dir, and false if there is
// none.
func findGit(dir string) (Git, bool) {
	dot := filepath.Join(dir, ".git")
	info, err := os.Stat(dot)
	if err != nil {
		return Git{}, false
	}
	gitDir := dot
	if !info.IsDir() {
		target, ok := readLine(dot, "gitdir: ")
		if !ok {
			return Git{}, false
		}
		gitDir = absolute(dir, target)
	}
	if _, err := os.Stat(filepath.Join(gitDir, "HEAD")); err != nil {
		return Git{}, false
	}
	g := Git{Root: dir, Dir: gitDir, Common: gitDir}
	if target, ok := readLine(filepath.Join(gitDir, "commondir"), ""); ok {
		g.Common = absolute(gitDir, target)
		g.Worktree = filepath.Base(gitDir)
	}
	return g, true
}

// readLine returns what follows the prefix in a file of one line.
func readLine(name, prefix string) (string, bool) {
	b, err := readSmall(name, 8<<10)
	if err != nil {
		return "", false
	}
	line, ok := strings.CutPrefix(strings.TrimRight(string(b), "\r\n"), prefix)
	return line, ok && line != ""
}

func absolute(dir, name string) string {
	if !filepath.IsAbs(name) {
		name = filepath.Join(dir, name)
	}
	return filepath.Clean(name)
}

// parents yields dir and the folders above it, up to the root.
func parents(dir string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for {
			if !yield(dir) {
				return
			}
			up := filepath.Dir(dir)
			if up == dir {
				return
			}
			dir = up
		}
	}
}

// gitAbove returns the work tree that a folder is in.
func gitAbove(dir string) (Git, bool) {
	for folder := range parents(dir) {
		if g, ok := findGit(folder); ok {
			return g, true
		}
	}
	return Git{}, false
}
