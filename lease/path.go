package lease

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// Root is the path above all others, in normal form.
const Root = "/"

// CleanPath returns the normal form of a path, in which equal paths are equal
// strings: parts joined by single slashes, without a leading or trailing one.
//
//   - Empty parts and "." are dropped, so "/a//b/./c/" is "a/b/c".
//   - "/" (and "." and "./") is the root, whose normal form is "/".
//   - "" , "..", invalid UTF-8, NUL, more than [MaxPathBytes] or more than
//     [MaxPathDepth] parts are [ErrInvalid].
//
// Case and Unicode forms are kept: names compare byte for byte.
func CleanPath(path string) (string, error) {
	switch {
	case path == "":
		return "", Invalid("path", "empty; the root is %q", Root)
	case len(path) > MaxPathBytes:
		return "", Invalid("path", "%d bytes, at most %d", len(path), MaxPathBytes)
	case !utf8.ValidString(path):
		return "", Invalid("path", "%q is not valid UTF-8", path)
	case strings.IndexByte(path, 0) >= 0:
		return "", Invalid("path", "%q has a NUL byte", path)
	}
	depth, clean := 0, true
	for rest, more := path, true; more; {
		var part string
		part, rest, more = strings.Cut(rest, "/")
		switch part {
		case "..":
			return "", Invalid("path", "%q has a \"..\" part", path)
		case "", ".":
			clean = false
		default:
			depth++
		}
	}
	if depth > MaxPathDepth {
		return "", Invalid("path", "%d parts, at most %d", depth, MaxPathDepth)
	}
	if clean {
		return path, nil
	}
	var b strings.Builder
	b.Grow(len(path))
	for part := range strings.SplitSeq(path, "/") {
		if part == "" || part == "." {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('/')
		}
		b.WriteString(part)
	}
	if b.Len() == 0 {
		return Root, nil
	}
	return b.String(), nil
}

// Below reports whether path lies strictly below dir. Both must be in normal
// form.
func Below(path, dir string) bool {
	if dir == Root {
		return path != Root
	}
	return len(path) > len(dir) && path[len(dir)] == '/' && strings.HasPrefix(path, dir)
}

// Parent returns the path directly above, and false for the root. The path
// must be in normal form.
func Parent(path string) (string, bool) {
	if path == Root {
		return "", false
	}
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		return path[:i], true
	}
	return Root, true
}

// FilePath turns a file name into a path under root, in normal form: so all
// spellings of one file (relative, with "..", through symbolic links) give one
// path. A relative name is taken from root. The file need not exist; what
// exists of the way to it is resolved. A name that leads out of root is
// [ErrInvalid]; other errors are those of the file system. The root itself is
// "/".
//
// On file systems that fold case, two spellings that differ in case are two
// paths.
func FilePath(root, name string) (string, error) {
	if name == "" {
		return "", Invalid("name", "empty")
	}
	base, err := filepath.Abs(root)
	if err != nil {
		return "", err
	}
	if base, err = filepath.EvalSymlinks(base); err != nil {
		return "", err
	}
	if !filepath.IsAbs(name) {
		name = base + sep + name // not Join: "link/.." is for resolve to follow
	}
	full, err := resolve(name, maxLinks)
	if err != nil {
		return "", err
	}
	rel, err := filepath.Rel(base, full)
	if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+sep) {
		return "", Invalid("name", "%q is outside %q", name, root)
	}
	return CleanPath(filepath.ToSlash(rel))
}

const sep = string(filepath.Separator)

// maxLinks bounds the dangling links followed on the way to one file.
const maxLinks = 40

// resolve follows the symbolic links of an absolute name of which the last
// parts need not exist.
func resolve(name string, links int) (string, error) {
	full, err := filepath.EvalSymlinks(name)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return full, err
	}
	name = strings.TrimRight(name, sep)
	dir, last := filepath.Split(name)
	if target, err := os.Readlink(name); err == nil { // a link to what does not exist yet
		if links == 0 {
			return "", Invalid("name", "%q: too many links", name)
		}
		if !filepath.IsAbs(target) {
			target = dir + target
		}
		return resolve(target, links-1)
	}
	if last == "" || len(dir) >= len(name) {
		return name, nil
	}
	if dir, err = resolve(dir, links); err != nil {
		return "", err
	}
	return filepath.Join(dir, last), nil
}
