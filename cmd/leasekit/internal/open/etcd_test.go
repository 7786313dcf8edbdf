//go:build !noetcd

package open_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/open"
	"github.com/leasekit/leasekit/lease"
)

func TestEtcdOutOfReach(t *testing.T) {
	l := locate(t, t.TempDir(), map[string]string{"LEASEKIT_STORE": "etcd://user:geheim@127.0.0.1:1/n"})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := l.Open(ctx, nil)
	var failed *open.Error
	require.ErrorAs(t, err, &failed)
	require.ErrorIs(t, err, lease.ErrUnavailable)
	require.NotContains(t, err.Error(), "geheim")
}
