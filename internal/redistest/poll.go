package redistest

import (
	"net"
	"time"
)

// listening says whether somebody accepts connections at the address. A go-redis client that meets a closed port
// waits a whole second before it dials again.
func listening(addr string) error {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err
	}
	return conn.Close()
}
