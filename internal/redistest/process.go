package redistest

import (
	"os/exec"
	"runtime"
)

// process is a child process that is waited for from the start, so that no zombie is left and its end can be
// selected on.
type process struct {
	command *exec.Cmd
	gone    chan struct{} // closed when it has ended
}

// startProcess runs command on an operating system thread of its own that lives as long as the process: Linux
// sends the parent-death signal when the *thread* that started the child ends, not the whole program.
func startProcess(command *exec.Cmd) (*process, error) {
	dieWithParent(command)
	running := &process{command: command, gone: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := command.Start()
		started <- err
		if err == nil {
			_ = command.Wait()
			close(running.gone)
		}
	}()
	return running, <-started
}

func (p *process) pid() int { return p.command.Process.Pid }

func (p *process) ended() bool {
	select {
	case <-p.gone:
		return true
	default:
		return false
	}
}

// kill sends SIGKILL and waits for the end.
func (p *process) kill() {
	_ = p.command.Process.Kill()
	<-p.gone
}
