package top_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/top"
	"github.com/leasekit/leasekit/lease"
)

func busy(t *testing.T) lease.Manager {
	m := memory.New(nil)
	t.Cleanup(func() { _ = m.Close() })
	for i := range 40 {
		_, err := m.TryAcquire(t.Context(), lease.Request{Holder: fmt.Sprintf("agent-%d", i), Claims: lease.Paths(fmt.Sprintf("src/%d.go", i))})
		require.NoError(t, err)
	}
	for i := range 3 {
		_, err := m.TryAcquire(t.Context(), lease.Request{
			ID: lease.NewID(), Holder: fmt.Sprintf("waiter-\x1b[31m%d", i), Claims: lease.Paths("src/7.go"), QueueTTL: time.Hour,
		})
		require.ErrorIs(t, err, lease.ErrConflict)
	}
	return m
}

func TestRender(t *testing.T) {
	s := top.Once(t.Context(), busy(t), "store")
	require.NoError(t, s.Err)
	for _, size := range [][2]int{{120, 40}, {80, 24}, {40, 10}, {20, 5}, {1, 1}} {
		for focus := range top.Section(3) {
			for _, offset := range []int{0, 5, 1000} {
				out := top.Render(s, top.Look{Width: size[0], Height: size[1], Focus: focus, Offset: offset})
				lines := strings.Split(out, "\n")
				require.LessOrEqual(t, len(lines), max(1, size[1]), "size %v", size)
				for _, l := range lines {
					require.LessOrEqual(t, ansi.StringWidth(l), size[0], "size %v: %q", size, l)
				}
			}
		}
	}
	plain := top.Plain(s, 120, 60)
	require.NotContains(t, plain, "\x1b")
	require.Contains(t, plain, "leases 40  waiters 3")
	require.Contains(t, plain, "3 waiting    1 holding     0 granted  src/7.go")
	require.Contains(t, plain, "waits for src/7.go")
	require.Contains(t, plain, "agent-0 holds src/0.go for another")
}

func TestKeys(t *testing.T) {
	var m tea.Model = top.Model{}
	require.Nil(t, m.Init())
	send := func(msg tea.Msg) string {
		m, _ = m.Update(msg)
		return ansi.Strip(m.View().Content)
	}
	require.Contains(t, send(tea.WindowSizeMsg{Width: 100, Height: 30}), "reading")
	require.Contains(t, send(top.Once(t.Context(), busy(t), "store")), "▸ HOTTEST PATHS 40")
	key := func(r rune) tea.KeyPressMsg { return tea.KeyPressMsg{Code: r, Text: string(r)} }
	require.Contains(t, send(tea.KeyPressMsg{Code: tea.KeyTab}), "▸ LONGEST WAITS 3")
	require.Contains(t, send(tea.KeyPressMsg{Code: tea.KeyTab, Mod: tea.ModShift}), "▸ HOTTEST PATHS 40")
	require.Contains(t, send(tea.KeyPressMsg{Code: tea.KeyDown}), "▸ HOTTEST PATHS 39")
	require.Contains(t, send(tea.KeyPressMsg{Code: tea.KeyPgUp}), "▸ HOTTEST PATHS 40")
	send(key('/'))
	send(key('1'))
	require.Contains(t, send(key('q')), "filter: 1q", "q is a letter while the filter is typed")
	send(tea.KeyPressMsg{Code: tea.KeyBackspace})
	require.Contains(t, send(tea.KeyPressMsg{Code: tea.KeyEnter}), "only what contains 1")
	send(key('/'))
	send(tea.KeyPressMsg{Code: tea.KeyEscape})
	require.Contains(t, send(key('p')), "paused")
	require.NotContains(t, send(top.State{Err: io.ErrUnexpectedEOF}), "unexpected", "paused")
	send(key('p'))
	require.Contains(t, send(top.State{Err: io.ErrUnexpectedEOF}), "unexpected EOF")
	_, quit := m.Update(key('q'))
	require.NotNil(t, quit)
}

// screen keeps what is written to a terminal, and tells when it has a text.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
	want string
	seen chan struct{}
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := s.text.Write(p)
	if s.want != "" && strings.Contains(ansi.Strip(s.text.String()), s.want) {
		s.want = ""
		close(s.seen)
	}
	return n, err
}

func TestRunFollowsWhatHappens(t *testing.T) {
	m := busy(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	in, keys := io.Pipe()
	out := &screen{want: "late-comer", seen: make(chan struct{})}
	done := make(chan error, 1)
	go func() {
		done <- top.Run(ctx, m, "store", in, out, []string{"TERM=xterm-256color"}, tea.WithWindowSize(150, 40), tea.WithoutSignals())
	}()
	_, err := m.TryAcquire(ctx, lease.Request{
		ID: lease.NewID(), Holder: "late-comer", Claims: lease.Paths("src/9.go"), QueueTTL: time.Hour,
	})
	require.ErrorIs(t, err, lease.ErrConflict)
	select {
	case <-out.seen:
	case <-ctx.Done():
		t.Fatalf("not shown: %q", out.text.String())
	}
	_, err = keys.Write([]byte("q"))
	require.NoError(t, err)
	require.NoError(t, <-done)
}
