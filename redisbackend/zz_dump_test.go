package redisbackend

import (
	"os"
	"testing"
)

func TestDumpProgram(t *testing.T) {
	_ = os.WriteFile("/tmp/redis2/bench/program.lua", []byte(program.source), 0o600)
}
