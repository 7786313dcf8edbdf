package redisbackend

import (
	"context"
	"strings"
	"sync"
	"time"
)

const (
	// toldPause is how old at least, and twice that at most, what was told becomes before it is looked at.
	toldPause = 250 * time.Millisecond
	// maxTold is how many messages to one process are looked at: the newest.
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

	mu            sync.Mutex
	recent, older map[string][]string // messages, by address
	running       bool                // a timer will call turn
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
	if t.recent == nil {
		t.recent = map[string][]string{}
	}
	t.recent[client] = append(t.recent[client], message)
	if messages := t.recent[client]; len(messages) > maxTold {
		t.recent[client] = messages[1:]
	}
	if !t.running {
		t.running = true
		time.AfterFunc(toldPause, t.turn)
	}
}

// turn looks at what is old enough, and comes again while anything is kept.
func (t *told) turn() {
	t.mu.Lock()
	due := t.older
	t.older, t.recent = t.recent, nil
	t.running = t.older != nil && t.lifetime.Err() == nil
	if t.running {
		time.AfterFunc(toldPause, t.turn)
	}
	t.mu.Unlock()
	if len(due) == 0 || t.lifetime.Err() != nil {
		return
	}
	args := make([]any, 0, 2*len(due))
	for client, messages := range due {
		args = append(args, client, strings.Join(messages, ""))
	}
	ctx, cancel := context.WithTimeout(t.lifetime, 4*toldPause)
	defer cancel()
	t.look(ctx, args)
}
