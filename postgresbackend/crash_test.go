package postgresbackend

import (
	"bufio"
	"context"
	"testing"

	"github.com/leasekit/leasekit/internal/proctest"
	"github.com/leasekit/leasekit/postgresbackend/internal/pgtest"
)

var crashes = Options{Namespace: "crashes"}

func init() { roles["crowd"] = crowdForTest }

func crowdForTest(url string, orders *bufio.Scanner) error {
	m, err := Open(context.Background(), url, &crashes)
	if err != nil {
		return err
	}
	return proctest.Crowd(m, orders)
}

// A process that has crashed has lost its session, so its waiters are passed.
func TestCrashingWaiter(t *testing.T) {
	url := pgtest.Shared().URL()
	proctest.TestCrashes(t, open(t, url, &crashes), func() {
		child := proctest.Start(t, "crowd", url)
		child.Expect("in line")
		child.Kill()
	})
}
