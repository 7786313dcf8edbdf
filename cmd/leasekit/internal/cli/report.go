package cli

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/cmdenv"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/exit"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/text"
	"github.com/leasekit/leasekit/lease"
)

// report writes the error, in words on standard error, and for programs that
// asked for JSON on standard output, too. It returns the exit status.
func report(env *cmdenv.Env, cmd *cobra.Command, err error) int {
	e := exit.Of(err)
	if e.Err == nil {
		return e.Status
	}
	warn(env, "%s", strings.TrimPrefix(e.Err.Error(), "lease: "))
	if e.Next != "" {
		_, _ = fmt.Fprintln(env.Err, "next: "+text.Lines(e.Next))
	}
	if wantsJSON(cmd) {
		_ = writeJSON(env.Out, map[string]any{"error": describe(e)}) // there is nowhere else to say so
	}
	return e.Status
}

// errorJSON is an error for programs. Its fields stay.
type errorJSON struct {
	Code       string        `json:"code"`
	Message    string        `json:"message"`
	Next       string        `json:"next,omitempty"`
	Blockers   []blockerJSON `json:"blockers,omitempty"`    // who is in the way, the first of them
	Count      int           `json:"count,omitempty"`       // how many are
	Position   int           `json:"position,omitempty"`    // in line; 1 is the next
	RetryAfter string        `json:"retry_after,omitempty"` // when the last of them ends if nothing else happens
	Cycle      []string      `json:"cycle,omitempty"`       // of a deadlock
}

type blockerJSON struct {
	ID        lease.ID      `json:"id"`
	Holder    string        `json:"holder"`
	Asked     lease.Claim   `json:"asked"`
	Held      lease.Claim   `json:"held"`
	Claims    []lease.Claim `json:"claims"`
	Waiting   bool          `json:"waiting"`
	ExpiresAt time.Time     `json:"expires_at"`
}

func describe(e *exit.Error) errorJSON {
	j := errorJSON{Code: e.Code, Message: e.Err.Error(), Next: e.Next}
	var conflict *lease.ConflictError
	if !errors.As(e.Err, &conflict) {
		return j
	}
	j.Count, j.Position, j.Cycle = conflict.Count, conflict.Position, conflict.Cycle
	if conflict.RetryAfter > 0 {
		j.RetryAfter = conflict.RetryAfter.String()
	}
	for _, b := range conflict.Blockers {
		j.Blockers = append(j.Blockers, blockerJSON{
			ID: b.ID, Holder: b.Holder, Asked: b.Asked, Held: b.Held,
			Claims: b.Claims, Waiting: b.Waiting, ExpiresAt: b.ExpiresAt,
		})
	}
	return j
}
