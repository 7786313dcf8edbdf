// Package migrations reads the numbered SQL files by which a store's schema
// grows.
package migrations

import (
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
)

// Migration is one numbered SQL file: 0001_leases.sql. It runs inside a
// transaction and so has no BEGIN or COMMIT of its own.
type Migration struct {
	Version int
	Name    string
	SQL     string
}

var migrationFile = regexp.MustCompile(`^([0-9]{4})_([a-z0-9_]+)\.sql$`)

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
		parts := migrationFile.FindStringSubmatch(entry.Name())
		if parts == nil {
			return nil, fmt.Errorf("migration file %q: want a name like 0001_leases.sql", entry.Name())
		}
		version, err := strconv.Atoi(parts[1])
		if err != nil {
			return nil, err
		}
		if version != len(migrations)+1 {
			return nil, fmt.Errorf("migration file %q: want number %04d", entry.Name(), len(migrations)+1)
		}
		text, err := fs.ReadFile(folder, entry.Name())
		if err != nil {
			return nil, err
		}
		migrations = append(migrations, Migration{Version: version, Name: parts[2], SQL: string(text)})
	}
	return migrations, nil
}
