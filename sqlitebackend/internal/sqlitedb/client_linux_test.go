package sqlitedb

import (
	"bufio"
	"context"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/internal/proctest"
)

func init() {
	roles["client"] = func(path string, orders *bufio.Scanner) error {
		d, err := Open(context.Background(), path, quick)
		if err != nil {
			return err
		}
		c, err := d.Join()
		if err != nil {
			return err
		}
		proctest.Say(c.Name())
		orders.Scan()
		return c.Close()
	}
}

// A client is gone when its process is, and not before.
func TestClientGone(t *testing.T) {
	d := mustOpen(t, newPath(t), quick)
	c, err := d.Join()
	require.NoError(t, err)
	same, err := d.Join()
	require.NoError(t, err)
	require.NotEqual(t, c.Name(), same.Name())
	require.False(t, c.Gone(same.Name()))
	require.NoError(t, same.Close())
	require.True(t, c.Gone(same.Name()), "closed")
	require.False(t, c.Gone(c.Name()), "itself")
	require.False(t, c.Gone("what is this"))

	child := proctest.Start(t, "client", d.file)
	name := child.Answer()
	_, err = os.ReadFile(d.file + "-clients") // drops no lock
	require.NoError(t, err)
	require.False(t, c.Gone(name))
	child.Kill()
	require.True(t, c.Gone(name), "killed")

	require.NoError(t, os.Remove(d.file+"-clients"))
	next, err := d.Join()
	require.NoError(t, err)
	require.False(t, next.Gone(c.Name()), "of another side file: nothing is known")
	require.False(t, c.Gone(next.Name()))
	require.NoError(t, next.Close())
	require.NoError(t, c.Close())

	none, err := mustOpen(t, MemoryPath, quick).Join()
	require.NoError(t, err)
	require.Nil(t, none)
	require.Empty(t, none.Name())
	require.False(t, none.Gone(name))
}
