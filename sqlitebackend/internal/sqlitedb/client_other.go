//go:build !linux

package sqlitedb

// Client is a handle that the handles of other processes can tell to be alive.
// There is none where locks belong to a process and not to an open file.
type Client struct{}

// Join returns nil.
func (d *Database) Join() (*Client, error) { return nil, nil }

// Name is "".
func (c *Client) Name() string { return "" }

// Gone is not known.
func (c *Client) Gone(string) bool { return false }

// Close does nothing.
func (c *Client) Close() error { return nil }
