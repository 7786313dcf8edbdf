package agents

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/lease/fencefile"
)

// agent edits files under leases.
type agent struct {
	job
	holder string
	m      lease.Manager
	files  *fencefile.Dir
	dirs   []string // that may be edited at once
	random *rand.Rand
	report report
}

// holding is what a victim prints when it is time to kill it.
const holding = "HOLDING"

// runAgent is the life of an agent's process. Its report is its last line.
func runAgent(ctx context.Context, open Open, text string) error {
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return err
	}
	m, err := open(ctx, j.Store)
	if err != nil {
		return err
	}
	defer m.Close()
	files, err := fencefile.Open(j.Tree)
	if err != nil {
		return err
	}
	defer files.Close()
	a := &agent{
		job: j, m: m, files: files, dirs: directories(j.Files), holder: j.Name, random: rand.New(rand.NewPCG(j.Seed, 1)),
		report: report{Name: j.Name, Pid: os.Getpid()},
	}
	for a.report.Edits < j.Edits {
		if j.Victim && a.report.Edits == 1 {
			return a.hang(ctx)
		}
		if err := a.turn(ctx); err != nil {
			return fmt.Errorf("%s: %w", j.Name, err)
		}
	}
	return json.NewEncoder(os.Stdout).Encode(a.report)
}

// turn does one thing, chosen by lot.
func (a *agent) turn(ctx context.Context) error {
	switch dice := a.random.IntN(100); {
	case dice < 50: // wait in line for one file
		return a.edit(ctx, lease.Request{Claims: lease.Paths(a.some(1)...)})
	case dice < 70: // several files at once: all or none, so no deadlock
		a.report.Several++
		return a.edit(ctx, lease.Request{Claims: lease.Paths(a.some(3)...)})
	case dice < 80: // wait, but not for long
		err := a.edit(ctx, lease.Request{Claims: lease.Paths(a.some(2)...), Timeout: 5 * time.Millisecond})
		if errors.Is(err, lease.ErrTimeout) {
			a.report.GaveUp++
			return nil
		}
		return err
	case dice < 90: // do not wait at all
		return a.try(ctx, a.some(1))
	case dice < 97: // read several files while nobody writes them
		return a.read(ctx, a.some(3))
	default: // a whole directory
		a.report.Trees++
		return a.edit(ctx, lease.Request{Claims: lease.Trees(a.dirs[a.random.IntN(len(a.dirs))])})
	}
}

// some returns a few different files, often of those that everybody wants, of
// which there are enough: see refuse.
func (a *agent) some(n int) []string {
	var names []string
	for len(names) < n {
		from := a.Files
		if a.random.IntN(4) > 0 {
			from = hot(a.Files)
		}
		if name := from[a.random.IntN(len(from))]; !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// edit waits for the lease, and stamps every file that it covers.
func (a *agent) edit(ctx context.Context, r lease.Request) error {
	r.Holder, r.TTL, r.Labels = a.holder, workTTL, map[string]string{"task": "edit"}
	return lease.Do(ctx, a.m, r, func(ctx context.Context, l lease.Lease) error {
		return a.stampAll(ctx, l)
	})
}

// try edits if nobody is in the way.
func (a *agent) try(ctx context.Context, names []string) error {
	l, err := a.m.TryAcquire(ctx, lease.Request{Holder: a.holder, Claims: lease.Paths(names...), TTL: workTTL})
	if errors.Is(err, lease.ErrConflict) {
		a.report.Refused++
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(a.stampAll(ctx, l), a.m.Release(ctx, l.Ref()))
}

// read looks at files twice under a shared lease: nobody may change them
// meanwhile.
func (a *agent) read(ctx context.Context, names []string) error {
	a.report.Reads++
	r := lease.Request{Holder: a.holder, Claims: lease.SharedPaths(names...), TTL: workTTL}
	return lease.Do(ctx, a.m, r, func(context.Context, lease.Lease) error {
		first, err := a.sizes(names)
		if err != nil {
			return err
		}
		time.Sleep(a.thinking())
		if second, err := a.sizes(names); err != nil || !slices.Equal(first, second) {
			return errors.Join(fmt.Errorf("a file changed under a shared lease: %v", names), err)
		}
		return nil
	})
}

func (a *agent) sizes(names []string) ([]int64, error) {
	var sizes []int64
	for _, name := range names {
		info, err := os.Stat(filepath.Join(a.Tree, filepath.FromSlash(name)))
		if err != nil {
			return nil, err
		}
		sizes = append(sizes, info.Size())
	}
	return sizes, nil
}

// stampAll is the work: read, think, write, for every file under the lease.
func (a *agent) stampAll(ctx context.Context, l lease.Lease) error {
	for _, name := range a.Files {
		if !slices.ContainsFunc(l.Claims, func(c lease.Claim) bool { return lease.Covers(c, name) }) {
			continue
		}
		if err := a.stamp(ctx, l, name); err != nil {
			return err
		}
	}
	a.report.Edits++
	return nil
}

// stamp is read-modify-write on the real file: without leases, two agents at
// once would lose an update.
func (a *agent) stamp(ctx context.Context, l lease.Lease, name string) error {
	text, err := os.ReadFile(filepath.Join(a.Tree, filepath.FromSlash(name)))
	if err != nil {
		return err
	}
	before, err := stamps(name, text)
	if err != nil {
		return err
	}
	if len(l.Claims) == 1 && l.Claims[0].Scope == lease.Exact {
		time.Sleep(a.thinking())
	}
	s := stamp{File: name, Count: len(before) + 1, Token: l.Token, Agent: a.Name}
	if err := a.files.WriteFile(ctx, l.Ref(), name, append(text, s.line()...), 0o644); err != nil {
		return err
	}
	a.report.Wrote = append(a.report.Wrote, s)
	return nil
}

func (a *agent) thinking() time.Duration {
	return time.Duration(a.random.IntN(4000)) * time.Microsecond
}

// hang takes the files that everybody wants and stops. It has a short TTL: it
// is about to be killed.
func (a *agent) hang(ctx context.Context) error {
	l, err := a.m.Acquire(ctx, lease.Request{
		Holder: a.holder, Claims: lease.Paths(a.some(2)...), TTL: victimTTL, Priority: lease.MaxPriority,
	})
	if err != nil {
		return err
	}
	fmt.Println(holding, l.ID)
	<-ctx.Done() // never
	return ctx.Err()
}
