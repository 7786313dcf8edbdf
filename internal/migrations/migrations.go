// Package migrations reads the numbered SQL files by which a store's schema
// grows.
package migrations

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// Migration is one numbered SQL file: 0001_leases.sql. It runs inside a
// transaction and so has no BEGIN or COMMIT of its own.
type Migration struct {
	Version int
	Name    string
	SQL     string
}

// Load reads the numbered files of a folder. They count from 1
// without a gap, and nothing else lies there: a file that would be overlooked
// is a mistake.
func Load(folder fs.FS) ([]Migration, error) {
	entries, err := fs.ReadDir(folder, ".")
	if err != nil {
		return nil, err
	}
	migrations := make([]Migration, 0, len(entries))
	for _, entry := range entries { // sorted by name, so by version
		version, name, ok := parseName(entry.Name())
		if !ok {
			return nil, fmt.Errorf("migration file %q: want a name like 0001_leases.sql", entry.Name())
		}
		if version != len(migrations)+1 {
			return nil, fmt.Errorf("migration file %q: want number %04d", entry.Name(), len(migrations)+1)
		}
		text, err := fs.ReadFile(folder, entry.Name())
		if err != nil {
			return nil, err
		}
		migrations = append(migrations, Migration{Version: version, Name: name, SQL: string(text)})
	}
	return migrations, nil
}

// parseName splits a name like 0001_leases.sql. It is not a regular expression,
// since compiling one would be a part of what each open costs.
func parseName(file string) (version int, name string, ok bool) {
	number, rest, _ := strings.Cut(file, "_")
	name, ok = strings.CutSuffix(rest, ".sql")
	if !ok || name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
		return 0, "", false
	}
	n, err := strconv.ParseUint(number, 10, 16)
	return int(n), name, err == nil && len(number) == 4
}
