// Package agents is what examples/quickstart and examples/cluster show: eight
// agents, each an operating system process of its own, edit one copy of a real
// source tree under leases, two are killed in the middle of it, and afterwards
// it is proven that nobody's edit was lost. The examples differ in the store
// only.
package agents

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/leasekit/leasekit/lease"
)

// Open opens the store at an address: a file name, a URL.
type Open func(ctx context.Context, address string) (lease.Manager, error)

// Place returns the address of a store for one run, given a directory to work
// in, and what to call after the run. It may start a server.
type Place func(ctx context.Context, dir string) (address string, leave func() error, err error)

// Sizes of the run.
const (
	workers   = 8 // agents, the victims among them
	victims   = 2 // agents that are killed while they hold leases
	edits     = 25
	workTTL   = 5 * time.Second
	victimTTL = 1500 * time.Millisecond

	// takeOverLimit is how long the next agent may wait for what a killed one
	// held: its TTL, and a while on a busy machine.
	takeOverLimit = 3 * victimTTL
)

// agentVariable carries a job to a process that is started as an agent.
const agentVariable = "LEASEKIT_EXAMPLE_AGENT"

// Main runs the example and ends the process: with status 0 only if everything
// held. It parses the flags, so the example may have defined some.
func Main(open Open, place Place) {
	ctx := context.Background()
	if text := os.Getenv(agentVariable); text != "" {
		exit(runAgent(ctx, open, text))
	}
	source := flag.String("src", "", "source tree to copy and edit (default: net of the Go installation)")
	keep := flag.Bool("keep", false, "keep the directory that was worked in")
	flag.Parse()

	dir, err := os.MkdirTemp("", "leasekit-example-")
	if err != nil {
		exit(err)
	}
	err = run(ctx, open, place, dir, *source, os.Stdout)
	if *keep {
		fmt.Println("kept:", dir)
	} else {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	exit(err)
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "FAILED:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// run is the coordinator: it copies the tree, starts the agents, kills two of
// them, and checks what they left.
func run(ctx context.Context, open Open, place Place, dir, source string, out io.Writer) (err error) {
	began := time.Now()
	if source == "" {
		root, err := goroot(ctx)
		if err != nil {
			return err
		}
		source = filepath.Join(root, "src", "net")
	}
	tree := filepath.Join(dir, "tree")
	files, err := copyTree(source, tree)
	if err != nil {
		return fmt.Errorf("copy %s: %w", source, err)
	}
	if err := refuse(files); err != nil {
		return fmt.Errorf("%s: %w", source, err)
	}
	store, leave, err := place(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, leave()) }()
	m, err := open(ctx, store)
	if err != nil {
		return err
	}
	defer m.Close()
	fmt.Fprintf(out, "%d agents, each a process, edit %d files copied from %s\n", workers, len(files), source)

	team := &team{}
	defer team.stop() // whoever is left, if something goes wrong
	if err := team.start(ctx, store, tree, files); err != nil {
		return err
	}
	takeOvers, killErr := team.killVictims(ctx, m)
	if err := errors.Join(killErr, team.wait()); err != nil {
		return err
	}
	result, err := check(ctx, m, source, tree, files, team)
	if err != nil {
		return err
	}
	result.checkTakeOvers(takeOvers)
	result.print(out, team, time.Since(began))
	return result.err()
}

// job is what an agent process is told.
type job struct {
	Name   string
	Store  string
	Tree   string
	Files  []string
	Seed   uint64
	Edits  int
	Victim bool // stops in the middle of its second edit, to be killed
}

// report is what an agent process tells at its end.
type report struct {
	Name    string
	Pid     int
	Wrote   []stamp // one for each file of each edit
	Edits   int
	Trees   int // edits of a whole directory
	Several int // edits of several files
	Reads   int // shared reads of several files
	Refused int // tries that were refused
	GaveUp  int // waits that timed out
}

func (j job) environment() (string, error) {
	text, err := json.Marshal(j)
	return agentVariable + "=" + string(text), err
}
