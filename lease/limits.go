package lease

import "time"

// Limits, checked once by the engine before any store sees a request. What is
// beyond them is [ErrInvalid].
const (
	MaxIDBytes     = 128
	MaxHolderBytes = 256
	MaxPathBytes   = 4096
	MaxPathDepth   = 128      // parts of a path
	MaxClaims      = 256      // of one request
	MaxPathsBytes  = 64 << 10 // all paths of one request together
	MaxPathParts   = 4096     // parts of all paths of one request together
	MaxLabelsBytes = 8 << 10  // keys and values together
	MaxActorBytes  = 256      // Revocation.Actor
	MaxReasonBytes = 1024     // Revocation.Reason
	MaxPriority    = 100      // and -100
	MaxBlockers    = 16       // listed by a ConflictError
	MaxContention  = 100      // counted by Contention, and by ConflictError's Count and Position
	MaxChain       = 8        // leases under whose cover a sub-lease may be: its parent, and that one's
	MinTTL         = 10 * time.Millisecond
	MaxTTL         = 365 * 24 * time.Hour
	MinQueueTTL    = 100 * time.Millisecond // of Request.QueueTTL, and of Config.WaiterTTL
	MaxQueueTTL    = time.Hour              // likewise
)

// Special values of [Request.TTL], [Request.MaxRenewals] and [Request.Timeout],
// and of the defaults of the latter two in [Config].
const (
	KeepTTL    = time.Duration(-1) // TTL: Config.KeepTTL, for a lease that is kept renewed
	Unlimited  = -1                // MaxRenewals: as often as wanted
	NoRenewals = -2                // MaxRenewals: never
	NoTimeout  = time.Duration(-1) // Timeout: only the context ends the wait
)
