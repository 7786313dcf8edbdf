package lease

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Request asks for a lease. Only Holder and Claims are required, and for [Do]
// and [Keeper.Acquire] only Claims. Durations are rounded up to whole
// milliseconds, the resolution of the stores.
type Request struct {
	ID          ID                // names the request; NewID if empty. See the type
	Holder      string            // who asks: one sequential actor. [NewHolder] makes a unique name
	Claims      []Claim           // granted all together or not at all
	TTL         time.Duration     // how long the lease lasts unless renewed; 0: Config.DefaultTTL; [KeepTTL]: Config.KeepTTL
	MaxRenewals int               // 0: Config.MaxRenewals; [Unlimited]; [NoRenewals]
	Timeout     time.Duration     // how long Acquire waits; 0: Config.AcquireTimeout; [NoTimeout]: until ctx ends
	QueueTTL    time.Duration     // TryAcquire with an ID: keep a place in line that lapses unless asked for again within it; [MinQueueTTL] to [MaxQueueTTL]; 0: no place
	Priority    int               // -100..100: each step is a head start of Config.PriorityBoost in the queue
	Replace     Ref               // the lease given up in the same step, if this request is granted
	Parent      Ref               // the lease under whose cover this one is taken; the claims lie within that one's
	Distinct    bool              // the holder's own other leases and waiters count against this request too
	Labels      map[string]string // free text for people and tools: reason, branch, pid
}

// NewHolder returns a holder name that no other call returns, anywhere: the
// prefix, the host, the process and a random part, for people to read.
func NewHolder(prefix string) string {
	var random [6]byte
	_, _ = rand.Read(random[:]) // never fails: see crypto/rand.Read
	host, _ := os.Hostname()
	host = strings.ToValidUTF8(strings.ReplaceAll(host, "\x00", ""), "")
	tail := "-" + strconv.Itoa(os.Getpid()) + "-" + hex.EncodeToString(random[:])
	name := prefix + "-" + host
	if excess := len(name) + len(tail) - MaxHolderBytes; excess > 0 && excess <= len(host) {
		name = strings.ToValidUTF8(name[:len(name)-excess], "")
	}
	return name + tail
}

// NewID returns a new request ID: a UUID of version 7 (RFC 9562), so that IDs
// made later sort later, which stores like. Safe for concurrent use.
func NewID() ID {
	var b [16]byte
	_, _ = rand.Read(b[8:]) // never fails: see crypto/rand.Read
	ids.Lock()
	// The 12 bits after the milliseconds count up within one millisecond.
	if now := uint64(time.Now().UnixMilli()) << 12; now > ids.last {
		ids.last = now
	} else {
		ids.last++
	}
	n := ids.last
	ids.Unlock()
	binary.BigEndian.PutUint64(b[:8], n>>12<<16|n&0xfff)
	b[6] = b[6]&0x0f | 0x70
	b[8] = b[8]&0x3f | 0x80

	var s [36]byte
	hex.Encode(s[0:8], b[0:4])
	hex.Encode(s[9:13], b[4:6])
	hex.Encode(s[14:18], b[6:8])
	hex.Encode(s[19:23], b[8:10])
	hex.Encode(s[24:36], b[10:16])
	s[8], s[13], s[18], s[23] = '-', '-', '-', '-'
	return ID(s[:])
}

// ids keeps NewID's order within this process.
var ids struct {
	sync.Mutex
	last uint64 // milliseconds<<12 | counter
}
