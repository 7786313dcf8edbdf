package open

import (
	"path/filepath"
	"strings"

	"github.com/leasekit/leasekit/lease"
)

// WorktreePrefix begins the paths of linked work trees: "@worktree/NAME/...".
const WorktreePrefix = "@worktree"

// Path returns the path that a file name stands for: relative to the working
// directory, with all symbolic links followed, so that all spellings of a file
// give one path. A file of another work tree of the same repository gives the
// path that it has there. A name outside of the tree is lease.ErrInvalid.
func (l Location) Path(name string) (string, error) {
	if name == "" {
		return "", lease.Invalid("name", "empty")
	}
	if !filepath.IsAbs(name) {
		name = l.Dir + string(filepath.Separator) + name
	}
	full, err := lease.FilePath(volume(l.Dir), name)
	if err != nil {
		return "", err
	}
	file := filepath.Join(volume(l.Dir), filepath.FromSlash(full))
	root, prefix := l.tree(file)
	rel, err := filepath.Rel(root, file)
	if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return "", lease.Invalid("name", "%q is outside of the tree %q (--raw takes a path as it is)", name, root)
	}
	return lease.CleanPath(prefix + filepath.ToSlash(rel))
}

// tree returns the top folder of the tree that a file counts to, and what its
// paths begin with.
func (l Location) tree(file string) (root, prefix string) {
	if l.Git == nil || l.Settings != nil && l.Settings.Worktrees == Shared {
		return l.sharedRoot(file), ""
	}
	if g, ok := gitAbove(file); ok && g.Common == l.Git.Common {
		return l.rootIn(g), g.prefix()
	}
	return l.Root, l.Git.prefix()
}

// rootIn is the tree's top folder as it is in another work tree of the same
// repository.
func (l Location) rootIn(g Git) string {
	if rel, err := filepath.Rel(l.Git.Root, l.Root); err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return filepath.Join(g.Root, rel)
	}
	return l.Root
}

// sharedRoot is the tree's top folder in the work tree that a file is in, where
// equal names in all work trees are one path.
func (l Location) sharedRoot(file string) string {
	if l.Git == nil {
		return l.Root
	}
	if g, ok := gitAbove(file); ok && g.Common == l.Git.Common {
		return l.rootIn(g)
	}
	return l.Root
}

func (g Git) prefix() string {
	if g.Worktree == "" {
		return ""
	}
	return WorktreePrefix + "/" + g.Worktree + "/"
}
