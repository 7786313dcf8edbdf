package postgresbackend

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
)

// Codes of the server that other failures have, too, are not taken for those of a
// replica.
func TestErrorsOfAReplica(t *testing.T) {
	for _, c := range []struct {
		err     error
		replica bool
	}{
		{&pgconn.PgError{Code: "25006", Routine: "PreventCommandIfReadOnly"}, true},
		{&pgconn.PgError{Code: "0A000", Routine: "check_transaction_read_only"}, true},
		{&pgconn.PgError{Code: "0A000", Routine: "RevalidateCachedQuery"}, false},
		{&pgconn.PgError{Code: "53100"}, false},
		{errors.New("0A000"), false},
	} {
		require.Equal(t, c.replica, errors.Is(unavailable("begin", c.err), errReplica), "%#v", c.err)
	}
}
