package model

import "github.com/leasekit/leasekit/backend"

// Outcomes are the outcomes in words.
var Outcomes = map[backend.Outcome]string{
	backend.Done: "done", backend.Queued: "queued", backend.Refused: "refused", backend.Deadlocked: "deadlocked",
	backend.OverQuota: "over quota", backend.Mismatch: "mismatch", backend.Withdrawn: "withdrawn",
	backend.Gone: "gone", backend.LimitHit: "limit hit", backend.TooLong: "too long", backend.TreeOnly: "tree only",
	backend.Stale: "stale", backend.Again: "again", backend.Late: "late", backend.Overtaken: "overtaken",
	backend.BadParent: "bad parent",
}
