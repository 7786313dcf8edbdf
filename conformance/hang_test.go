package conformance

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// hangingCase names, in a child process, the case that is to hang.
const hangingCase = "LEASEKIT_HANGING_CASE"

// hanging are cases that never end, in each of the ways there are.
var hanging = map[string]testCase{
	"Blocked": {"Test/Blocked", "nobody waits for ever for what never comes", func(*harness) { <-make(chan struct{}) }},
	"Sleeping": {"Test/Sleeping", "nobody sleeps for ever", func(*harness) {
		for {
			time.Sleep(time.Second)
		}
	}},
	"Spinning": {"Test/Spinning", "nobody spins for ever", func(h *harness) {
		for h.Unit > 0 {
			continue
		}
	}},
	"Cleaning": {"Test/Cleaning", "nobody cleans up for ever", func(h *harness) {
		h.Cleanup(func() { <-make(chan struct{}) })
	}},
}

// TestHanging: a case that never ends tells its rule.
func TestHanging(t *testing.T) {
	if name := os.Getenv(hangingCase); name != "" {
		hangs.real = 5 * time.Second
		runCase(t, hanging[name], sound)
		return
	}
	for name, c := range hanging {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			program, err := os.Executable()
			require.NoError(t, err)
			child := exec.CommandContext(t.Context(), program, "-test.run", "^TestHanging$")
			child.Env = append(os.Environ(), hangingCase+"="+name)
			out, err := child.CombinedOutput()
			require.Error(t, err)
			require.Contains(t, string(out), "did not come to an end")
			require.Contains(t, string(out), c.why)
		})
	}
}
