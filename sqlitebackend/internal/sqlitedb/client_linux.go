package sqlitedb

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"syscall"
)

// Client is a handle that the handles of other processes can tell to be alive:
// each locks a byte of its own of a side file, for as long as it is open. The
// kernel gives the lock up with the process.
type Client struct {
	file *os.File
	id   fileID // of the side file
	name string
}

// Join begins to be a client. It returns nil where there is no such thing: in
// memory, and on file systems without OFD locks.
func (d *Database) Join() (*Client, error) {
	if d.file == "" {
		return nil, nil
	}
	file, err := openBeside(d.file, "-clients")
	if err != nil {
		return nil, err
	}
	c := &Client{file: file}
	if c.id, _, err = statFile(file.Name(), new(fileStatus)); err == nil {
		err = c.lockByte()
	}
	if err != nil {
		err = errors.Join(err, file.Close())
		if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.EBADF) {
			return nil, nil // no OFD locks, or not ours to write
		}
		return nil, err
	}
	return c, nil
}

// lockByte locks a byte that nobody else has.
func (c *Client) lockByte() error {
	for {
		byteAt := rand.Int64N(1 << 62)
		lock := syscall.Flock_t{Type: syscall.F_WRLCK, Whence: io.SeekStart, Start: byteAt, Len: 1}
		err := syscall.FcntlFlock(c.file.Fd(), setOFDLock, &lock)
		switch {
		case err == nil:
			c.name = fmt.Sprintf("%x-%x-%x", c.id.device, c.id.inode, byteAt)
			return nil
		case !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.EACCES) && !errors.Is(err, syscall.EINTR):
			return &os.PathError{Op: "lock", Path: c.file.Name(), Err: err}
		}
	}
}

// Name is what others know the client by; "" if it is nil.
func (c *Client) Name() string {
	if c == nil {
		return ""
	}
	return c.name
}

// Gone reports whether it is certain that the client of this name is no more.
func (c *Client) Gone(name string) bool {
	var id fileID
	var byteAt int64
	if c == nil || name == c.name {
		return false
	}
	if n, err := fmt.Sscanf(name, "%x-%x-%x", &id.device, &id.inode, &byteAt); n != 3 || err != nil || id != c.id {
		return false // of a side file that was made anew
	}
	lock := syscall.Flock_t{Type: syscall.F_WRLCK, Whence: io.SeekStart, Start: byteAt, Len: 1}
	return syscall.FcntlFlock(c.file.Fd(), getOFDLock, &lock) == nil && lock.Type == syscall.F_UNLCK
}

// Close ends being a client.
func (c *Client) Close() error {
	if c == nil {
		return nil
	}
	return c.file.Close()
}
