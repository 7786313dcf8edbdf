// Package childproc runs servers for tests: each ends with the test process, even
// if that dies.
package childproc

import (
	"os/exec"
	"runtime"
)

// Process is a child process that is waited for from the start, so that no zombie is left and its end can be
// selected on.
type Process struct {
	command *exec.Cmd
	Gone    chan struct{} // closed when it has ended
}

// Start runs command on an operating system thread of its own that lives as long as the process: Linux
// sends the parent-death signal when the *thread* that started the child ends, not the whole program.
func Start(command *exec.Cmd) (*Process, error) {
	dieWithParent(command)
	running := &Process{command: command, Gone: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := command.Start()
		started <- err
		if err == nil {
			_ = command.Wait()
			close(running.Gone)
		}
	}()
	return running, <-started
}

// Pid is its process ID.
func (p *Process) Pid() int { return p.command.Process.Pid }

// Ended reports whether it has ended.
func (p *Process) Ended() bool {
	select {
	case <-p.Gone:
		return true
	default:
		return false
	}
}

// Kill sends SIGKILL and waits for the end.
func (p *Process) Kill() {
	_ = p.command.Process.Kill()
	<-p.Gone
}
