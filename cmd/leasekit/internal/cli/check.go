package cli

import (
	"context"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/cmdenv"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/exit"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/hosts"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/open"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/text"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/waits"
	"github.com/leasekit/leasekit/lease"
)

// What check says about a path.
const (
	stateFree   = "free"   // nobody is in the way
	stateMine   = "mine"   // the holder has it already
	stateHeld   = "held"   // somebody else holds it
	stateQueued = "queued" // nobody holds it, but somebody waits for it
)

func newCheck(env *cmdenv.Env) *cobra.Command {
	var claims claimFlags
	var holder string
	cmd := &cobra.Command{
		Use:   "check [flags] PATH...",
		Short: "Look whether paths are free, without taking them",
		Long: `Check says of each PATH whether it is free, mine (of --holder, or LEASEKIT_HOLDER),
held by somebody else, or queued for. It only looks: by the time it has answered, the
answer may be another one. The exit status is 0 if all PATHs are free or mine, and 75
if somebody is in the way.`,
		Args: needPaths,
		RunE: func(cmd *cobra.Command, args []string) error {
			if holder == "" {
				holder = hosts.HolderFromEnv(env.Getenv)
			}
			var busy bool
			err := withStore(cmd, env, func(ctx context.Context, store *open.Store) error {
				asked, err := claims.claims(store.Location, args)
				if err != nil {
					return err
				}
				s, err := waits.TakeFor(ctx, store.Manager, asked)
				if err != nil {
					return err
				}
				busy, err = printCheck(cmd, env, s, asked, holder)
				return err
			})
			if err == nil && busy {
				return exit.Silently(exit.NotObtained)
			}
			return err
		},
	}
	claims.add(cmd)
	cmd.Flags().StringVar(&holder, "holder", "", "who asks (default: LEASEKIT_HOLDER)")
	addFormat(cmd, formatTable, formatWide, formatJSON, formatJSONL, formatName)
	return cmd
}

// checkJSON is what check says about one path.
type checkJSON struct {
	Claim   lease.Claim `json:"claim"`
	State   string      `json:"state"`
	Holder  string      `json:"holder,omitempty"`  // who has it, or is the next to have it
	ID      lease.ID    `json:"id,omitempty"`      // of that lease or waiter
	Until   time.Time   `json:"until,omitzero"`    // when that lease ends unless renewed
	Waiters int         `json:"waiters,omitempty"` // who would be before the asker in line
}

func printCheck(cmd *cobra.Command, env *cmdenv.Env, s waits.Snapshot, asked []lease.Claim, holder string) (busy bool, err error) {
	r := &rows[checkJSON]{
		format:  formatOf(cmd),
		headers: []string{"PATH", "STATE", "HOLDER", "EXPIRES IN", "QUEUE"},
		wide:    []string{"ID"},
		name:    func(c checkJSON) string { return c.State },
		cells: func(c checkJSON, wide bool) []string {
			left := "-"
			if !c.Until.IsZero() {
				left = text.Span(c.Until.Sub(s.Now))
			}
			cells := []string{c.Claim.String(), c.State, dash(c.Holder), left, strconv.Itoa(c.Waiters)}
			if wide {
				cells = append(cells, dash(string(c.ID)))
			}
			return cells
		},
	}
	r.start(cmd.OutOrStdout())
	for _, claim := range asked {
		row := checkOne(s, claim, holder)
		busy = busy || row.State == stateHeld || row.State == stateQueued
		if err := r.add(row); err != nil {
			return busy, writeErr(err)
		}
	}
	return busy, writeErr(r.end(env.Err, ""))
}

// checkOne looks who has a claim.
func checkOne(s waits.Snapshot, claim lease.Claim, holder string) checkJSON {
	a := waits.Asker{Holder: holder, Claims: []lease.Claim{claim}}
	row := checkJSON{Claim: claim, State: stateFree, Waiters: s.Place(a) - 1}
	if blockers := s.InTheWay(a); len(blockers) > 0 {
		l := blockers[0].Lease
		row.Holder, row.ID, row.State = l.Holder, l.ID, stateQueued
		if l.Status == lease.Active {
			row.State, row.Until = stateHeld, l.ExpiresAt
		}
		return row
	}
	for _, l := range s.Active {
		if l.Holder == holder && holder != "" && covers(l.Claims, claim) {
			row.State, row.Holder, row.ID, row.Until = stateMine, l.Holder, l.ID, l.ExpiresAt
		}
	}
	return row
}

// covers reports whether a lease's claims give what another claim asks for.
func covers(held []lease.Claim, asked lease.Claim) bool {
	for _, h := range held {
		deep := asked.Scope == lease.Exact || h.Scope == lease.Tree
		strong := asked.Mode == lease.Shared || h.Mode == lease.Exclusive
		if lease.Covers(h, asked.Path) && deep && strong {
			return true
		}
	}
	return false
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
