package child

import (
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/windows"
)

// Child is a running command. Its methods may be called by many goroutines.
type Child struct {
	process *os.Process
	states  chan State
}

// Start starts the command in a process group of its own.
func Start(c Command) (*Child, error) {
	attributes := &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP}
	p, err := os.StartProcess(c.Path, c.Args, &os.ProcAttr{Dir: c.Dir, Env: c.Env, Files: c.Files, Sys: attributes})
	if err != nil {
		return nil, err
	}
	child := &Child{process: p, states: make(chan State)}
	go child.wait()
	return child, nil
}

func (c *Child) wait() {
	state, err := c.process.Wait()
	if err != nil {
		c.states <- State{Status: StatusNotRunnable}
		return
	}
	c.states <- State{Status: state.ExitCode()}
}

// States tells when the child has ended.
func (c *Child) States() <-chan State { return c.states }

// Signal passes on Ctrl-C and Ctrl-Break, which this system has one form of for
// a process group.
func (c *Child) Signal(os.Signal) { c.Terminate() }

// Terminate asks the group to end.
func (c *Child) Terminate() {
	_ = windows.GenerateConsoleCtrlEvent(windows.CTRL_BREAK_EVENT, uint32(c.process.Pid))
}

// Kill ends the child.
func (c *Child) Kill() { _ = c.process.Kill() }

// Outlast does nothing: this system does not tell what is left of a group.
func (c *Child) Outlast(<-chan time.Time) {}

// Suspend does nothing: this system has no job control.
func (c *Child) Suspend() {}

// HasTerminal is false: this system has no foreground group.
func (c *Child) HasTerminal() bool { return false }

// Reclaim does nothing.
func (c *Child) Reclaim() {}
