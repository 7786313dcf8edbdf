package hook_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

// Who wrote a file is found behind thousands of events of other files, and a
// writer before the session's last look is not.
func TestChangedUnderYouInALongHistory(t *testing.T) {
	w := newWorld(t)
	w.passes(w.before("C", "notes.txt"))
	w.write("notes.txt", "written by C, before A looked\n")
	w.passes(w.after("C", "notes.txt"))
	w.passes(w.stop("C"))
	w.othersWork(300)
	w.passes(w.call(call{event: "PostToolUse", session: "A", tool: "Read", files: []string{"notes.txt"}, id: "r"}))
	w.passes(w.call(call{event: "PostToolUse", session: "A", tool: "Read", files: []string{"sub/deep.txt"}, id: "r2"}))
	w.othersWork(300)
	w.passes(w.before("B", "notes.txt"))
	w.write("notes.txt", "written by B, longer than all that was there before\n")
	w.passes(w.after("B", "notes.txt"))
	w.passes(w.stop("B"))
	w.othersWork(1500)
	w.refuses(w.before("A", "notes.txt"), "changed under you", "claude:B")
	w.write("sub/deep.txt", "by nobody who has a lease\n")
	w.passes(w.before("A", "sub/deep.txt"))
}

// othersWork makes twice so many events of other files.
func (w *world) othersWork(pairs int) {
	w.tb.Helper()
	w.manager(func(m lease.Manager) {
		var group sync.WaitGroup
		const together = 50
		errs := make([]error, together)
		for i := range together {
			group.Go(func() {
				for n := range pairs / together {
					path := fmt.Sprintf("other/%d/%d", i, n)
					errs[i] = errors.Join(errs[i], lease.Do(w.tb.Context(), m, lease.Request{Holder: path, Claims: lease.Paths(path)}, func(context.Context, lease.Lease) error { return nil }))
				}
			})
		}
		group.Wait()
		require.NoError(w.tb, errors.Join(errs...))
	})
}
