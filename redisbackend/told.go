package redisbackend

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// toldPause is how long it is from one look to the next.
	toldPause = 100 * time.Millisecond
	// toldTurns is how many looks later what was told is looked at for the last time: a process may take seconds to die on a
	// busy machine, though it seldom does.
	toldTurns = 32
	// maxTold is how many processes are kept, and looked at, at a time; and how many messages to one: the newest.
	maxTold = 64
)

// told keeps what this handle's operations have told other processes, and has a script look again a moment later whether
// they live (lua/publish.lua). A server counts the link of a process that was killed until the system has closed it, which
// takes milliseconds; what is told in that time counts as heard, and all who stand behind the waiter would not ask before
// its place lapses. Safe for concurrent use.
type told struct {
	look func(ctx context.Context, args []any)

	lifetime context.Context // ends with close
	end      context.CancelFunc

	mu      sync.Mutex
	kept    []map[string][]string // messages by address: those since the last turn, since the one before it, and so on
	running bool                  // a timer will call turn
}

func newTold(look func(ctx context.Context, args []any)) *told {
	lifetime, end := context.WithCancel(context.Background())
	return &told{look: look, lifetime: lifetime, end: end}
}

func (t *told) close() { t.end() }

// add takes note of a message to the process of an address.
func (t *told) add(client, message string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.kept) == 0 {
		t.kept = []map[string][]string{{}}
	}
	recent := t.kept[0]
	if recent[client] == nil && len(recent) == maxTold {
		return
	}
	recent[client] = append(recent[client], message)
	if messages := recent[client]; len(messages) > maxTold {
		recent[client] = messages[1:]
	}
	if !t.running {
		t.running = true
		time.AfterFunc(toldPause, t.turn)
	}
}

// turn looks at what is new, and again at what is 1, 2, 4 and so on turns old. It comes again while anything is kept.
func (t *told) turn() {
	t.mu.Lock()
	due := map[string][]string{}
	for age := 0; age < len(t.kept); age = max(1, 2*age) {
		for client, older := range t.kept[age] {
			due[client] = append(due[client], older...)
		}
	}
	t.kept = append([]map[string][]string{{}}, t.kept[:min(len(t.kept), toldTurns)]...)
	t.running = t.lifetime.Err() == nil && slices.ContainsFunc(t.kept, func(m map[string][]string) bool { return len(m) > 0 })
	if t.running {
		time.AfterFunc(toldPause, t.turn)
	} else {
		t.kept = nil
	}
	t.mu.Unlock()
	if len(due) == 0 || t.lifetime.Err() != nil {
		return
	}
	args := make([]any, 0, 2*len(due))
	for client, messages := range due { // in an order by chance: who is left out comes with a later look
		if len(args) == 2*maxTold {
			break
		}
		args = append(args, client, strings.Join(messages[:min(len(messages), maxTold)], ""))
	}
	ctx, cancel := context.WithTimeout(t.lifetime, 4*toldPause)
	defer cancel()
	t.look(ctx, args)
}
