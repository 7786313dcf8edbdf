package agents

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/leasekit/leasekit/lease"
)

// team is the agents, as their processes.
type team struct {
	members []*member
}

// member is one agent's process.
type member struct {
	job
	command *exec.Cmd
	output  *bufio.Reader
	errors  bytes.Buffer
	killed  bool
	over    bool // it has been waited for
	report  report
}

// takeOver is what became of a killed agent's files.
type takeOver struct {
	victim string
	pid    int
	paths  []string
	waited time.Duration // of the next agent, from the kill to its grant
}

// start starts all members. After an error some of them run.
func (t *team) start(ctx context.Context, store, tree string, files []string) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	for i := range workers {
		j := job{
			Name: fmt.Sprintf("agent-%d", i+1), Store: store, Tree: tree, Files: files,
			Seed: uint64(i), Edits: edits, Victim: i < victims,
		}
		member, err := start(ctx, program, j)
		if err != nil {
			return err
		}
		t.members = append(t.members, member)
	}
	return nil
}

// stop kills the members that still run, and waits for their end.
func (t *team) stop() {
	for _, m := range t.members {
		if !m.over {
			_ = m.command.Process.Kill() // unless it has just ended
			_ = m.command.Wait()         // "signal: killed"
		}
	}
}

func start(ctx context.Context, program string, j job) (*member, error) {
	environment, err := j.environment()
	if err != nil {
		return nil, err
	}
	m := &member{job: j, command: exec.CommandContext(ctx, program)}
	m.command.Env = append(os.Environ(), environment)
	m.command.Stderr = &m.errors
	out, err := m.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	m.output = bufio.NewReader(out)
	return m, m.command.Start()
}

// killVictims waits until each victim holds leases, kills it with SIGKILL, and
// then stands in line for the same files.
func (t *team) killVictims(ctx context.Context, m lease.Manager) ([]takeOver, error) {
	done, failed := make([]takeOver, victims), make([]error, victims)
	var running sync.WaitGroup
	for i, victim := range t.members[:victims] {
		running.Go(func() { done[i], failed[i] = victim.kill(ctx, m) })
	}
	running.Wait()
	return done, errors.Join(failed...)
}

func (v *member) kill(ctx context.Context, m lease.Manager) (takeOver, error) {
	line, err := v.output.ReadString('\n')
	if err != nil {
		return takeOver{}, fmt.Errorf("%s: %w: %s", v.Name, err, v.errors.String())
	}
	held, err := m.Get(ctx, lease.ID(strings.TrimSpace(strings.TrimPrefix(line, holding))))
	if err != nil {
		return takeOver{}, err
	}
	if err := v.command.Process.Kill(); err != nil {
		return takeOver{}, err
	}
	_ = v.command.Wait() // "signal: killed"
	killed := time.Now()
	v.killed, v.over = true, true
	rescue, err := m.Acquire(ctx, lease.Request{
		Holder: lease.NewHolder("rescuer"), Claims: held.Claims, TTL: workTTL, Priority: lease.MaxPriority,
		Labels: map[string]string{"instead-of": v.Name},
	})
	if err != nil {
		return takeOver{}, fmt.Errorf("take over from %s: %w", v.Name, err)
	}
	took := takeOver{victim: v.Name, pid: v.command.Process.Pid, waited: time.Since(killed)}
	for _, c := range held.Claims {
		took.paths = append(took.paths, c.Path)
	}
	return took, m.Release(ctx, rescue.Ref())
}

// wait waits for the agents that live and reads their reports.
func (t *team) wait() error {
	var failed []error
	for _, m := range t.members {
		if m.killed {
			continue
		}
		text, err := io.ReadAll(m.output)
		if err == nil {
			err = m.command.Wait()
			m.over = true
		}
		if err == nil {
			err = json.Unmarshal(text, &m.report)
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w: %s", m.Name, err, m.errors.String()))
		}
	}
	return errors.Join(failed...)
}
