package lease

import "time"

// Kind says what an event records.
type Kind string

// The kinds of events.
const (
	KindQueued      Kind = "queued"      // a request got a place in line
	KindGranted     Kind = "granted"     // it became a lease
	KindRenewed     Kind = "renewed"     // its expiry moved
	KindRelabelled  Kind = "relabelled"  // its labels were changed, and nothing else
	KindReleased    Kind = "released"    // ended by its holder
	KindExpired     Kind = "expired"     // not renewed in time; At is the deadline
	KindLapsed      Kind = "lapsed"      // a place in line that was not asked for again; At is the deadline
	KindWithdrawn   Kind = "withdrawn"   // a request, or a grant that raced with it, was taken back; the lease's EndReason says why
	KindRevoked     Kind = "revoked"     // by ForceRelease; Actor and Reason are set
	KindReplaced    Kind = "replaced"    // by a request of the same holder
	KindTransferred Kind = "transferred" // by a request of another holder; Reason is empty, Actor is the new holder
	KindConfig      Kind = "config"      // SetConfig; the lease is empty
)

// Kinds returns all kinds.
func Kinds() []Kind {
	return []Kind{
		KindQueued, KindGranted, KindRenewed, KindRelabelled, KindReleased, KindExpired, KindLapsed,
		KindWithdrawn, KindRevoked, KindReplaced, KindTransferred, KindConfig,
	}
}

// Event is one entry of a namespace's history, written in the same step as the
// change that it records.
type Event struct {
	Seq    Seq       `json:"seq"`              // order of recording
	Kind   Kind      `json:"kind"`             // what happened
	At     time.Time `json:"at"`               // when it took effect, by the store's clock
	Lease  Lease     `json:"lease,omitzero"`   // as it was after the change
	Actor  string    `json:"actor,omitempty"`  // who did it, if not the holder
	Reason string    `json:"reason,omitempty"` // why, or ReasonCovered
}

// ReasonCovered is the Reason of a grant by a delegate whose lease ends with the one
// that the delegate lies under, which may be before its TTL is over.
const ReasonCovered = "ends with the lease above"
