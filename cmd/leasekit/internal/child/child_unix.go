//go:build unix

package child

import (
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Child is a running command. Its methods may be called by many goroutines.
type Child struct {
	pid    int
	tty    int // file descriptor of the terminal that was handed over; -1: none
	states chan State
}

// Start starts the command in a process group of its own. If this process has
// the terminal's foreground, the child gets it.
func Start(c Command) (*Child, error) {
	tty := foreground(c.Files)
	attributes := &syscall.SysProcAttr{Setpgid: true}
	if tty >= 0 {
		attributes.Foreground, attributes.Ctty = true, tty
	}
	p, err := os.StartProcess(c.Path, c.Args, &os.ProcAttr{Dir: c.Dir, Env: c.Env, Files: c.Files, Sys: attributes})
	if err != nil {
		return nil, err
	}
	child := &Child{pid: p.Pid, tty: tty, states: make(chan State)}
	if err := p.Release(); err != nil { // it is waited for below, by its number
		return nil, err
	}
	go child.wait()
	return child, nil
}

// States tells when the child is stopped, and last, when it has ended.
func (c *Child) States() <-chan State { return c.states }

// wait is not os.Process.Wait, which does not tell of a stopped child.
func (c *Child) wait() {
	for {
		var status syscall.WaitStatus
		_, err := syscall.Wait4(c.pid, &status, syscall.WUNTRACED, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil: // somebody else took its status, which no part of this program does
			c.states <- State{Status: StatusNotRunnable}
			return
		case status.Stopped():
			c.states <- State{Stopped: true}
		case status.Exited():
			c.states <- State{Status: status.ExitStatus()}
			return
		case status.Signaled():
			c.states <- State{Status: 128 + int(status.Signal())}
			return
		}
	}
}

// Signal sends a signal to the child and all that it started and that stayed in
// its group. A group that has ended is no error.
func (c *Child) Signal(s os.Signal) {
	if number, ok := s.(syscall.Signal); ok {
		_ = syscall.Kill(-c.pid, number)
	}
}

// Terminate asks the group to end, also one that is stopped.
func (c *Child) Terminate() {
	c.Signal(syscall.SIGTERM)
	c.Signal(syscall.SIGCONT)
}

// Kill ends the group.
func (c *Child) Kill() { c.Signal(syscall.SIGKILL) }

// Running reports whether anything of the group is left. After the child itself
// has ended, others of its group may be.
func (c *Child) Running() bool { return syscall.Kill(-c.pid, 0) == nil }

// Outlast waits until the group is gone, or until the time is over, and then
// kills what is left. It is for after the child itself has ended.
func (c *Child) Outlast(grace <-chan time.Time) {
	tick := time.NewTicker(emptied)
	defer tick.Stop()
	for c.Running() {
		select {
		case <-tick.C:
		case <-grace:
			c.Kill()
			return
		}
	}
}

// Suspend stops this process's own job, as Ctrl-Z was to do, now that the child
// is stopped. When the job goes on, so does the child.
func (c *Child) Suspend() {
	c.Reclaim()
	_ = syscall.Kill(0, syscall.SIGSTOP) // returns when somebody continues the job
	if c.tty >= 0 {
		if group, err := unix.IoctlGetInt(c.tty, unix.TIOCGPGRP); err == nil && group == unix.Getpgrp() {
			setForeground(c.tty, c.pid)
		}
	}
	c.Signal(syscall.SIGCONT)
}

// HasTerminal reports whether the child was given the terminal.
func (c *Child) HasTerminal() bool { return c.tty >= 0 }

// Reclaim takes the terminal back.
func (c *Child) Reclaim() {
	if c.tty >= 0 {
		setForeground(c.tty, unix.Getpgrp())
	}
}

// foreground returns the first of the files that is the terminal whose
// foreground group this process belongs to, -1 if there is none.
func foreground(files []*os.File) int {
	for i, f := range files {
		if f == nil {
			continue
		}
		if group, err := unix.IoctlGetInt(int(f.Fd()), unix.TIOCGPGRP); err == nil && group == unix.Getpgrp() {
			return i
		}
	}
	return -1
}

// setForeground gives the terminal to a process group. Who is in the background
// is stopped for that, unless it ignores SIGTTOU.
func setForeground(tty, group int) {
	signal.Ignore(syscall.SIGTTOU)
	defer signal.Reset(syscall.SIGTTOU)
	_ = unix.IoctlSetPointerInt(tty, unix.TIOCSPGRP, group)
}
