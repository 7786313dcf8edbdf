package agents

import (
	"fmt"
	"strings"

	"github.com/leasekit/leasekit/lease"
)

// stamp is the line that an edit appends to a file. Count is one more than that
// of the stamp before it, which the agent has read: an update that was lost
// shows as two stamps with one count, or as a gap.
type stamp struct {
	File  string
	Count int
	Token lease.Token
	Agent string
}

const stampPrefix = "// leasekit edit "

func (s stamp) line() string {
	return fmt.Sprintf("%s%d token %d by %s\n", stampPrefix, s.Count, s.Token, s.Agent)
}

// stamps returns what stands in a file's text.
func stamps(file string, text []byte) ([]stamp, error) {
	var found []stamp
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, stampPrefix) {
			continue
		}
		s := stamp{File: file}
		if _, err := fmt.Sscanf(line, stampPrefix+"%d token %d by %s\n", &s.Count, &s.Token, &s.Agent); err != nil {
			return nil, fmt.Errorf("%s: %q: %w", file, line, err)
		}
		found = append(found, s)
	}
	return found, nil
}
