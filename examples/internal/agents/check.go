package agents

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/lease/audit"
)

// result is what the tree and the history say afterwards.
type result struct {
	stamps    int // in all files
	wrote     int // reported by the agents that lived
	audit     audit.Report
	problems  []error
	takeOvers []takeOver
}

func (r *result) fail(format string, args ...any) {
	r.problems = append(r.problems, fmt.Errorf(format, args...))
}

func (r *result) err() error { return errors.Join(r.problems...) }

// check proves from the files that no update was lost, and from the history
// that the rules were kept.
func check(ctx context.Context, m lease.Manager, source, tree string, files []string, t *team) (*result, error) {
	r := &result{}
	reported := map[stamp]bool{}
	for _, member := range t.members {
		for _, s := range member.report.Wrote {
			reported[s] = true
			r.wrote++
		}
	}
	for _, name := range files {
		original, err := os.ReadFile(filepath.Join(source, filepath.FromSlash(name)))
		if err != nil {
			return nil, err
		}
		text, err := os.ReadFile(filepath.Join(tree, filepath.FromSlash(name)))
		if err != nil {
			return nil, err
		}
		added, kept := bytes.CutPrefix(text, original)
		if !kept {
			r.fail("%s: its text is not that of the source any more", name)
			continue
		}
		found, err := stamps(name, added)
		if err != nil {
			return nil, err
		}
		if lines := bytes.Count(added, []byte("\n")); lines != len(found) {
			r.fail("%s: %d lines were added, %d of them by edits", name, lines, len(found))
		}
		r.checkFile(name, found, reported)
	}
	for s := range reported {
		r.fail("lost update: %s has no %q", s.File, s.line())
	}

	var err error
	if r.audit, err = audit.Replay(m.History(ctx, lease.Query{All: true}), nil); err != nil {
		return nil, err
	}
	if err := r.audit.Err(); err != nil {
		r.fail("the history breaks the rules: %w", err)
	}
	if r.audit.Summary.TakeOvers < victims {
		r.fail("%d agents were killed, but only %d leases were taken over", victims, r.audit.Summary.TakeOvers)
	}
	stats, err := m.Stats(ctx)
	if err != nil {
		return nil, err
	}
	if stats.Active != 0 || stats.Pending != 0 {
		r.fail("left behind: %d leases, %d waiters", stats.Active, stats.Pending)
	}
	return r, nil
}

// checkFile checks one file: its stamps count up without a gap, their tokens
// never fall, and each agent's are all there. It takes what it finds out of
// reported.
func (r *result) checkFile(name string, found []stamp, reported map[stamp]bool) {
	r.stamps += len(found)
	var newest lease.Token
	for i, s := range found {
		if s.Count != i+1 {
			r.fail("lost update: %s: stamp %d says it is number %d", name, i+1, s.Count)
		}
		if s.Token < newest {
			r.fail("%s: an older holder wrote after a newer one: token %d after %d", name, s.Token, newest)
		}
		newest = s.Token
		delete(reported, s)
	}
}

// checkTakeOvers checks that what killed agents held was not held up.
func (r *result) checkTakeOvers(all []takeOver) {
	r.takeOvers = all
	for _, k := range all {
		if k.waited > takeOverLimit {
			r.fail("what %s held was taken over only %v after it was killed, with a TTL of %v", k.victim, k.waited, victimTTL)
		}
	}
}

func (r *result) print(out io.Writer, t *team, took time.Duration) {
	fmt.Fprintln(out)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "agent\tpid\tedits\tfiles written\tof several files\tof a directory\tshared reads\trefused\tgave up\t")
	for _, m := range t.members {
		if m.killed {
			fmt.Fprintf(table, "%s\t%d\tkilled\t\t\t\t\t\t\t\n", m.Name, m.command.Process.Pid)
			continue
		}
		p := m.report
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n",
			m.Name, p.Pid, p.Edits, len(p.Wrote), p.Several, p.Trees, p.Reads, p.Refused, p.GaveUp)
	}
	_ = table.Flush() // to the terminal
	for _, k := range r.takeOvers {
		fmt.Fprintf(out, "\n%s (pid %d) was killed with SIGKILL holding %v: taken over %v later (TTL %v)",
			k.victim, k.pid, k.paths, k.waited.Round(time.Millisecond), victimTTL)
	}
	fmt.Fprintf(out, "\n\n%s\n\n", r.audit.Summary)
	if r.err() == nil {
		fmt.Fprintf(out, "OK: %d edits reported, every one is in its file, in order; the history of %d events keeps all rules; %v\n",
			r.wrote, r.audit.Summary.Events, took.Round(100*time.Millisecond))
	}
}
