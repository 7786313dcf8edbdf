package agents

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// goroot is where the Go installation is.
func goroot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	return strings.TrimSpace(string(out)), err
}

// copyTree copies the Go files below from, and returns their slash-separated
// names, sorted.
func copyTree(from, to string) ([]string, error) {
	var names []string
	err := filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, relative)
		if entry.IsDir() {
			if entry.Name() == "testdata" {
				return filepath.SkipDir
			}
			return os.MkdirAll(target, 0o755)
		}
		if !strings.HasSuffix(path, ".go") || !entry.Type().IsRegular() {
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		names = append(names, filepath.ToSlash(relative))
		return os.WriteFile(target, data, 0o644)
	})
	return names, err
}

// hot returns the few files that agents like most, so that they meet.
func hot(files []string) []string { return files[:min(12, len(files))] }

// below returns the files in a directory.
func below(files []string, dir string) []string {
	var found []string
	for _, f := range files {
		if strings.HasPrefix(f, dir+"/") {
			found = append(found, f)
		}
	}
	return found
}
