package agents

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// goroot is where the Go installation is.
func goroot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	return strings.TrimSpace(string(out)), err
}

// copyTree copies the Go files below from that stamps can be added to, and
// returns their slash-separated names, sorted.
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
		if !bytes.HasSuffix(data, []byte("\n")) || bytes.Contains(data, []byte("\n"+stampPrefix)) {
			return nil
		}
		names = append(names, filepath.ToSlash(relative))
		return os.WriteFile(target, data, 0o644)
	})
	return names, err
}

const (
	wanted  = 12 // files that agents like most, so that they meet
	largest = 30 // files in a directory that is edited at once
)

// hot returns the few files that agents like most.
func hot(files []string) []string { return files[:min(wanted, len(files))] }

// directories returns those that are not too large to be edited at once.
func directories(files []string) []string {
	count := map[string]int{}
	for _, f := range files {
		for dir := path.Dir(f); dir != "."; dir = path.Dir(dir) {
			count[dir]++
		}
	}
	var found []string
	for dir, n := range count {
		if n <= largest {
			found = append(found, dir)
		}
	}
	slices.Sort(found)
	return found
}

// refuse returns an error for a tree that the agents cannot work in.
func refuse(files []string) error {
	switch {
	case len(files) < wanted:
		return fmt.Errorf("%d Go files are too few: want at least %d", len(files), wanted)
	case len(directories(files)) == 0:
		return fmt.Errorf("no directory in it has 1 to %d Go files", largest)
	}
	return nil
}
