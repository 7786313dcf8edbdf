package lease_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/leasekit/leasekit/lease"
)

// All names of a file are one path, so that those who call it differently mean
// the same lease.
func ExampleFilePath() {
	root, err := os.MkdirTemp("", "tree-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(root)

	for _, name := range []string{"src/main.go", "./src/../src/main.go", filepath.Join(root, "src", "main.go")} {
		fmt.Println(lease.FilePath(root, name))
	}
	_, err = lease.FilePath(root, "../outside")
	fmt.Println(errors.Is(err, lease.ErrInvalid))
	// Output:
	// src/main.go <nil>
	// src/main.go <nil>
	// src/main.go <nil>
	// true
}
