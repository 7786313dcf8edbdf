package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
)

const (
	firstLine = "first\n"
	bothLines = "first\nsecond\n"
	refusal   = "is being written by another session"
)

func prompt(part string) string { return "SCRIPT:" + part + " go" }

// step is what the model says next: words, or one call of a tool.
type step struct {
	text string
	tool string
	args map[string]string
}

// script is what the model plays. It needs no memory but what the sessions tell
// each other: the step follows from how many tools have answered.
type script struct {
	tools      tools
	firstWrote chan struct{}
	refused    chan struct{}

	mutex  sync.Mutex
	record []string
}

func newScript(t tools) *script {
	return &script{tools: t, firstWrote: make(chan struct{}), refused: make(chan struct{})}
}

// next returns what a session does after its tools have answered with results.
func (s *script) next(ctx context.Context, part string, results []string) step {
	n := len(results)
	s.note("%s asks with %d answers", part, n)
	if n > 0 {
		s.note("%s, answer %d: %s", part, n, results[n-1])
	}
	write := func(text string) step {
		return step{tool: s.tools.write, args: map[string]string{s.tools.file: shared, s.tools.content: text}}
	}
	switch {
	case part == "first" && n == 0:
		return write(firstLine)
	case part == "first" && n == 1:
		// The turn goes on until the other session has been refused.
		s.once(s.firstWrote)
		_ = s.wait(ctx, s.refused)
	case part == "second" && n == 0:
		return write("second\n")
	case part == "second" && n == 1:
		if strings.Contains(results[0], refusal) {
			s.once(s.refused)
		}
		return step{tool: s.tools.shell, args: map[string]string{"command": "leasekit run -w 60s " + shared + " -- true", "description": "wait"}}
	case part == "second" && n == 2:
		return step{tool: s.tools.read, args: map[string]string{s.tools.file: shared}}
	case part == "second" && n == 3:
		return write(bothLines)
	}
	return step{text: "done"}
}

func (s *script) once(c chan struct{}) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	select {
	case <-c:
	default:
		close(c)
	}
}

func (s *script) wait(ctx context.Context, c <-chan struct{}) error {
	select {
	case <-c:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *script) secondWasRefused() bool {
	select {
	case <-s.refused:
		return true
	default:
		return false
	}
}

func (s *script) note(format string, args ...any) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	line := fmt.Sprintf(format, args...)
	if !slices.Contains(s.record, line) {
		s.record = append(s.record, line)
	}
}

// said is what the tools answered, for people who look for a fault.
func (s *script) said() string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return strings.Join(s.record, "\n")
}
