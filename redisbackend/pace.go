package redisbackend

import "time"

const (
	fewestBatches = 4
	mostBatches   = 16

	// slowLink is the delay of the link from which on more than fewestBatches in flight pay.
	slowLink = 500 * time.Microsecond

	// operationAllowance is taken off a round trip for each operation that was in flight, to leave the delay of
	// the link: when the server is what is slow, more batches at once would only make smaller ones.
	operationAllowance = 20 * time.Microsecond

	paceWindow = 32 // batches: the least delay among them is the link's, so that a hiccup does not count
)

// pace decides how many batches may be in flight: enough to fill the link, few enough that batches are large. With
// one, client and server take turns; 4 are best on a loopback link, 8 to 16 on one of a millisecond and more. It
// is not safe for concurrent use.
type pace struct {
	batches int           // seen in the current window
	least   time.Duration // delay among them
	limited int           // what the last full window led to, 0 before
}

// observe takes note of a batch's round trip. inFlight counts the operations that were in flight when it was sent,
// its own included.
func (p *pace) observe(roundTrip time.Duration, inFlight int) {
	link := max(0, roundTrip-time.Duration(inFlight)*operationAllowance)
	if p.batches == 0 || link < p.least {
		p.least = link
	}
	if p.batches++; p.batches == paceWindow {
		p.limited = min(int(fewestBatches*p.least/slowLink), mostBatches)
		p.batches = 0
	}
}

// limit is the number of batches that may be in flight now.
func (p *pace) limit() int { return max(p.limited, fewestBatches) }
