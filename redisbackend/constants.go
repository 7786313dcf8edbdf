package redisbackend

import (
	"fmt"
	"regexp"

	"github.com/leasekit/leasekit/lease"
)

// constants are the numbers that the scripts share with Go, and with each other. A name in capitals with an underscore
// in a Lua file stands for one of them.
var constants = map[string]any{
	"LAYOUT_NUMBER": 3, // of all that is kept; a script refuses any other

	"TOKENS_PER_MS": 1024, // by which tokens jump with time
	"TOMBSTONE_MS":  lease.MinEndedRetention.Milliseconds(),
	"SILENCE_MS":    250, // that a process may take to make its link anew

	"MAX_WORK":       900, // of one operation: commands, and records read
	"BATCH_WORK":     700, // of a batch before the rest is put off
	"LOOK_WORK":      200, // of a look at who is first in line
	"MAX_ENDS":       32,  // leases and waiters that an operation ends before it replies "again"
	"MAX_BLOCKERS":   lease.MaxBlockers,
	"MAX_CONTENTION": lease.MaxContention,
	"MAX_CHAIN":      lease.MaxChain,
	"MAX_CYCLE":      64, // holders that the search for a deadlock visits
	"MAX_WALKED":     64, // waiters that are looked at to find whom to wake
	"MAX_TESTED":     64, // waiters that are tested for whether to wake them
	"MAX_PASSED":     1000,
	"MAX_PAGE":       32,        // waiters that are read at a time
	"MAX_ANCESTORS":  512,       // paths above its claims at which a waiter is listed
	"MANY_CLAIMS":    8,         // of one request, of which one look shows whether they meet anybody
	"MAX_ATTEMPTS":   8,         // that a record remembers
	"MAX_CLIENTS":    4,         // that wait for one request
	"MAX_FRESH":      256,       // leases that are not in the index
	"MAX_LISTED":     500,       // records, or events, a page
	"MAX_BYTES":      256 << 10, // of records read for one reply

	"FRESH_FILLER":    "'----------------'",
	"FRESH_ID_AT":     64,
	"BYGONE_WINDOW":   512,     // arrivals
	"EVENTS_TOGETHER": 32,      // in one entry of the history
	"TIDY_EVERY":      512,     // events and arrivals
	"DEFAULT_EVENTS":  1000000, // that are kept if the configuration has no limit
	"LEAST_EVENTS":    10000,   // that are kept without a sweep's help
	"ENDED_SLACK":     10000,   // ended records beyond Config.EndedMax that are kept without a sweep's help

	// Where the parts of a record stand (record.lua), counted from 1.
	"DEADLINE_AT": 4, "DEADLINE_TO": 17,
	"TOKEN_AT": 19, "TOKEN_TO": 34,
	"ARRIVAL_AT": 36, "ARRIVAL_TO": 49,
	"UPDATED_AT":  51,  // to 64
	"ENDED_TO":    79,  // from 66
	"RENEWALS_AT": 111, // behind created and granted
}

var constantName = regexp.MustCompile(`\b[A-Z]+(?:_[A-Z]+)+\b`)

// withConstants returns Lua source with the values of its constants. It panics if there is no such constant: the files
// are this package's.
func withConstants(source string) string {
	return constantName.ReplaceAllStringFunc(source, func(name string) string {
		value, found := constants[name]
		if !found {
			panic("no constant " + name)
		}
		return fmt.Sprint(value)
	})
}
