package redisbackend

import (
	"context"
	_ "embed"
	"fmt"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

//go:embed testdata/check.lua
var checkSource string

var checker = newScript(assemble(part{name: "check.lua", source: checkSource})...)

// CheckStructures fails a test if the structures of a namespace do not agree with its records.
func CheckStructures(tb testing.TB, client redis.UniversalClient, namespace string) {
	tb.Helper()
	keys := newKeyspace(namespace).keys(keyNames...)
	reply, err := checker.run(context.WithoutCancel(tb.Context()), client, keys, "0", "check", 0)
	require.NoError(tb, err)
	require.Equal(tb, "[]", fmt.Sprintf("%q", reply.([]any)[0]), "what is wrong")
}
