// Command leasekit holds TTL leases on the paths of a tree of files, or on any
// slash-separated names, for shell scripts, operators and coding agents.
//
//	leasekit run src/main.go -- make   # nobody else writes it meanwhile
//	leasekit ls                        # who holds what, until when, who waits
//
// Without any configuration the leases are kept in a file inside the git
// directory. See docs/cli.md.
package main

import (
	"context"
	"os"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/cli"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/cmdenv"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/stores"
)

func main() {
	os.Exit(cli.Main(context.Background(), cmdenv.Process(stores.All), os.Args[1:]))
}
