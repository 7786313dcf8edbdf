package childproc

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"time"
)

// fatalError ends a poll at once.
type fatalError struct{ error }

// Fatal makes Poll end with err at once.
func Fatal(err error) error { return fatalError{err} }

// Poll asks until check returns nil, a fatal error, or the time is over. Another process can only be polled.
func Poll(timeout time.Duration, check func() error) error {
	const interval = 5 * time.Millisecond
	deadline := time.Now().Add(timeout)
	for {
		err := check()
		var end fatalError
		switch {
		case err == nil:
			return nil
		case errors.As(err, &end):
			return end.error
		case time.Now().After(deadline):
			return fmt.Errorf("not after %v: %w", timeout, err)
		}
		time.Sleep(interval)
	}
}

// FreePort returns a port that nobody listens on just now. It stays below the range from which the kernel takes
// ports for outgoing connections, so that a server that is down for a moment does not lose its port to a client.
func FreePort() (int, error) {
	const lowest, highest, attempts = 20000, 32000, 100
	for range attempts {
		port := lowest + rand.IntN(highest-lowest)
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return port, listener.Close()
		}
	}
	return 0, errors.New("found no free port on 127.0.0.1")
}
