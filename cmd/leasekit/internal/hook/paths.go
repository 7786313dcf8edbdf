package hook

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/open"
	"github.com/leasekit/leasekit/lease"
)

// target is one thing that a call writes or reads.
type target struct {
	name  string // as the host or the command has it; absolute or relative to the call's folder
	tree  bool
	brief bool // needed only while the call lasts
}

// place is a store, and what of one call lies in the tree that belongs to it.
type place struct {
	location open.Location
	claims   []lease.Claim
	files    map[string]string // absolute file names of exact claims, by path
	brief    map[string]bool   // paths that are needed only while the call lasts
}

// places sorts a call's targets by the store that they belong to: that of the
// tree that a file lies in, wherever the session's own folder is. It follows
// links first.
func (c *caller) places(targets []target, mode lease.Mode) ([]*place, error) {
	var out []*place
	for _, t := range targets {
		name := t.name
		if !filepath.IsAbs(name) {
			name = c.dir + string(filepath.Separator) + name
		}
		if strings.ContainsRune(name, 0) {
			continue // no file has such a name
		}
		full, err := resolve(name)
		if errors.Is(err, lease.ErrInvalid) || errors.Is(err, syscall.ENAMETOOLONG) {
			continue // no store, or no file system, has such a name: no UTF-8, very long, very deep
		}
		if err != nil {
			return nil, err
		}
		l, err := c.locate(folderOf(full, t.tree))
		if err != nil {
			return nil, err
		}
		path, err := l.Path(full)
		if errors.Is(err, lease.ErrInvalid) {
			continue // outside of every tree
		}
		if err != nil {
			return nil, err
		}
		p := placeOf(&out, l)
		claims := []lease.Claim{{Path: path, Mode: mode}}
		if t.tree {
			claims = p.treeClaims(full, path, mode)
		} else {
			p.files[path] = full
		}
		for _, one := range claims {
			p.brief[one.Path] = t.brief
		}
		p.claims = append(p.claims, claims...)
	}
	for _, p := range out {
		slices.SortFunc(p.claims, compareClaims)
		p.claims = slices.Compact(p.claims)
	}
	return out, nil
}

func placeOf(all *[]*place, l open.Location) *place {
	for _, p := range *all {
		if p.location.URL == l.URL && p.location.Namespace == l.Namespace {
			return p
		}
	}
	p := &place{location: l, files: make(map[string]string), brief: make(map[string]bool)}
	*all = append(*all, p)
	return p
}

// resolve returns the absolute name of a file with all links followed. The file
// need not exist.
func resolve(name string) (string, error) {
	volume := filepath.VolumeName(name) + string(filepath.Separator)
	path, err := lease.FilePath(volume, name)
	if err != nil {
		return "", err
	}
	return filepath.Join(volume, filepath.FromSlash(path)), nil
}

// folderOf returns the nearest folder that exists: the one that a file is or
// will be in, or the one that a tree claim names.
func folderOf(full string, tree bool) string {
	dir := full
	if !tree {
		dir = filepath.Dir(full)
	}
	for {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			return dir
		}
		dir = up
	}
}

// treeClaims returns the claims for a folder and all below it. The top folder
// of the main work tree would also cover the paths of all linked work trees,
// which are other files; so it is claimed by what is in it.
func (p *place) treeClaims(full, path string, mode lease.Mode) []lease.Claim {
	whole := lease.Claim{Path: path, Mode: mode, Scope: lease.Tree}
	g := p.location.Git
	if path != lease.Root || g == nil || !hasLinked(g.Common) {
		return []lease.Claim{whole}
	}
	entries, err := os.ReadDir(full)
	if err != nil || len(entries) > lease.MaxClaims-8 {
		return []lease.Claim{whole}
	}
	out := []lease.Claim{{Path: "@git", Mode: mode, Scope: lease.Tree}}
	for _, e := range entries {
		child, err := lease.CleanPath(e.Name())
		if err != nil || e.Name() == ".git" {
			continue
		}
		out = append(out, lease.Claim{Path: child, Mode: mode, Scope: lease.Tree})
	}
	return out
}

// hasLinked reports whether a repository has linked work trees.
func hasLinked(common string) bool {
	entries, err := os.ReadDir(filepath.Join(common, "worktrees"))
	return err == nil && len(entries) > 0
}

// fileOf returns the file that a path stands for in the tree of a location, and
// false for what lies in another work tree or is no file.
func fileOf(l open.Location, path string) (string, bool) {
	prefix := ""
	if l.Git != nil && l.Git.Worktree != "" && (l.Settings == nil || l.Settings.Worktrees != open.Shared) {
		prefix = open.WorktreePrefix + "/" + l.Git.Worktree + "/"
	}
	if len(path) <= len(prefix) || path[:len(prefix)] != prefix {
		return "", false
	}
	rest := path[len(prefix):]
	if rest[0] == '@' {
		return "", false
	}
	return filepath.Join(l.Root, filepath.FromSlash(rest)), true
}

func compareClaims(a, b lease.Claim) int {
	switch {
	case a.Path < b.Path:
		return -1
	case a.Path > b.Path:
		return 1
	}
	return int(a.Scope) - int(b.Scope)
}
