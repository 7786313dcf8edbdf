package groupcommit

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A context that is derived from it ends with it, whatever ends it.
func TestJoined(t *testing.T) {
	for name, end := range map[string]func(leader, closing context.CancelFunc, j *joined){
		"the leader leaves": func(leader, _ context.CancelFunc, _ *joined) { leader() },
		"the queue closes":  func(_, closing context.CancelFunc, _ *joined) { closing() },
		"the batch is over": func(_, _ context.CancelFunc, j *joined) { j.release() },
	} {
		t.Run(name, func(t *testing.T) {
			own, leader := context.WithCancel(t.Context())
			defer leader()
			closed, closing := context.WithCancel(t.Context())
			defer closing()
			j := &joined{Context: own, closing: closed}
			require.NoError(t, j.Err())
			child, cancel := context.WithTimeout(j, time.Hour)
			defer cancel()
			end(leader, closing, j)
			<-child.Done()
			require.ErrorIs(t, child.Err(), context.Canceled)
			<-j.Done()
			require.ErrorIs(t, j.Err(), context.Canceled)
			j.release()
		})
	}
}
