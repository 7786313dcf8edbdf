package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// build is a test program with defects.
type build struct {
	pkg     string
	program string
	plants  []plant
	alone   bool // the defect is live whatever the switch says
}

// builds compiles what the defects need, into a folder: for each package of
// tests one program with all that can be switched, and one for each defect that
// cannot.
func builds(ctx context.Context, folder string, plants []plant) ([]build, error) {
	var all []build
	var alone []plant
	for _, pkg := range packagesOf(plants) {
		mine := slices.DeleteFunc(slices.Clone(plants), func(p plant) bool { return p.pkg != pkg })
		b := build{pkg: pkg, program: filepath.Join(folder, fmt.Sprintf("%d.test", len(all)))}
		overlay := map[string]string{}
		byFile := map[string][]plant{}
		var files []string
		for _, p := range mine {
			if _, _, err := p.source(); err != nil {
				return nil, err
			}
			p = inScripts(p)
			if byFile[p.path()] == nil {
				files = append(files, p.path())
			}
			byFile[p.path()] = append(byFile[p.path()], p)
		}
		for _, file := range files {
			rest, err := overlaySwitched(overlay, filepath.Join(folder, b.tag()), file, byFile[file])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			for _, p := range byFile[file] {
				if !slices.ContainsFunc(rest, func(r plant) bool { return r.number == p.number }) {
					b.plants = append(b.plants, p)
				}
			}
			alone = append(alone, rest...)
		}
		if len(b.plants) > 0 {
			if err := b.compile(ctx, overlay); err != nil {
				return nil, err
			}
			all = append(all, b)
		}
	}
	for _, p := range alone {
		b := build{pkg: p.pkg, program: filepath.Join(folder, fmt.Sprintf("alone-%d.test", p.number)), plants: []plant{p}, alone: true}
		text, _, err := p.source()
		if err != nil {
			return nil, err
		}
		overlay := map[string]string{}
		if err := put(overlay, filepath.Join(folder, b.tag()), p.path(), strings.Replace(text, p.old, p.new, 1)); err != nil {
			return nil, err
		}
		if err := b.compile(ctx, overlay); err != nil {
			return nil, err
		}
		all = append(all, b)
	}
	return all, nil
}

func packagesOf(plants []plant) []string {
	var all []string
	for _, p := range plants {
		if !slices.Contains(all, p.pkg) {
			all = append(all, p.pkg)
		}
	}
	return all
}

func (b build) tag() string { return strings.TrimSuffix(filepath.Base(b.program), ".test") }

// overlaySwitched puts a file with its defects into the overlay, and returns
// those that it could not switch.
func overlaySwitched(overlay map[string]string, folder, file string, plants []plant) ([]plant, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if filepath.Ext(file) != ".go" {
		return plants, nil
	}
	planted, alone, err := switched(string(text), plants)
	if err != nil || len(alone) == len(plants) {
		return alone, err
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), file, text, parser.PackageClauseOnly)
	if err != nil {
		return nil, err
	}
	if err := put(overlay, folder, file, planted); err != nil {
		return nil, err
	}
	return alone, put(overlay, folder, filepath.Join(filepath.Dir(file), "leasekit_planted.go"), chooser(parsed.Name.Name))
}

// put writes a file that stands in the place of another one.
func put(overlay map[string]string, folder, file, text string) error {
	original, err := filepath.Abs(file)
	if err != nil {
		return err
	}
	planted := filepath.Join(folder, strings.ReplaceAll(file, "/", "-"))
	overlay[original] = planted
	return errors.Join(os.MkdirAll(folder, 0o700), os.WriteFile(planted, []byte(text), 0o600))
}

func (b build) compile(ctx context.Context, overlay map[string]string) error {
	text, err := json.Marshal(map[string]any{"Replace": overlay})
	if err != nil {
		return err
	}
	list := b.program + ".json"
	if err := os.WriteFile(list, text, 0o600); err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, "go", "test", "-c", "-gcflags=-e", "-overlay", list, "-o", b.program, b.pkg).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s does not compile with its defects: %w\n%s", b.pkg, err, out)
	}
	return nil
}

// run runs a test of the program with the defect of this number, 0 for none. It
// reports whether the test passed, and what it said.
func (b build) run(ctx context.Context, number int, flags ...string) (passed bool, said string, err error) {
	ctx, cancel := context.WithTimeout(ctx, limit+10*time.Second) // what hangs tells where
	defer cancel()
	command := exec.CommandContext(ctx, b.program, append(flags, "-test.timeout", limit.String())...)
	command.Dir = b.pkg
	command.Env = append(os.Environ(), variable+"="+strconv.Itoa(number))
	out, err := command.CombinedOutput()
	said = string(out)
	switch failed := new(exec.ExitError); {
	case err == nil && strings.Contains(said, "no tests to run"):
		return false, said, errors.New("there is no such test")
	case err == nil:
		return true, said, nil
	case ctx.Err() != nil, errors.As(err, &failed):
		return false, said, nil // what hangs was noticed, too
	}
	return false, said, err
}
