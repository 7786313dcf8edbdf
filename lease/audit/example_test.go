package audit_test

import (
	"fmt"
	"time"

	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/lease/audit"
)

// A history in which two holders had the same file at once. A real one comes
// from Manager.History with lease.Query{All: true}.
func ExampleReplay() {
	at := time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC)
	grant := func(seq lease.Seq, id lease.ID, holder string) lease.Event {
		return lease.Event{Seq: seq, Kind: lease.KindGranted, At: at, Lease: lease.Lease{
			ID: id, Token: lease.Token(seq), Holder: holder, Claims: lease.Paths("main.go"),
			CreatedAt: at, GrantedAt: at, ExpiresAt: at.Add(time.Minute), TTL: time.Minute,
		}}
	}
	history := []lease.Event{grant(1, "first", "agent-1"), grant(2, "second", "agent-2")}

	report, err := audit.Replay(audit.Events(history), nil)
	fmt.Println(err)
	for _, v := range report.Violations {
		fmt.Println(v.Rule, v.Seq, v.Other)
	}
	// Output:
	// <nil>
	// overlap 2 1
}
