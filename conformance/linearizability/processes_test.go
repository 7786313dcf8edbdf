package linearizability

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/conformance"
	"github.com/leasekit/leasekit/internal/proctest"
	"github.com/leasekit/leasekit/sqlitebackend"
)

func TestMain(m *testing.M) { proctest.Main(m, proctest.Roles{"caller": serve}) }

// TestProcesses lets three processes call: this one and two others, on one file.
func TestProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "leases.db")
	store, err := sqlitebackend.OpenStore(t.Context(), path, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	callers := []caller{local{store}}
	for range 2 {
		p := proctest.Start(t, "caller", path)
		p.Expect("ready")
		callers = append(callers, &remote{process: p})
	}
	run(t, callers)
}

// order is what a process is told to do.
type order struct {
	Call  call
	Fault conformance.Fault
}

// report is what it answers.
type report struct {
	Answer answer
	Err    string
}

// serve makes the calls that it is ordered to make.
func serve(path string, orders *bufio.Scanner) error {
	ctx := context.Background()
	store, err := sqlitebackend.OpenStore(ctx, path, nil)
	if err != nil {
		return err
	}
	proctest.Say("ready")
	for orders.Scan() {
		var o order
		if err := json.Unmarshal(orders.Bytes(), &o); err != nil {
			return err
		}
		var r report
		if r.Answer, err = (local{store}).call(ctx, o.Call, o.Fault); err != nil {
			r.Err = err.Error()
		}
		text, err := json.Marshal(r)
		if err != nil {
			return err
		}
		proctest.Say(string(text))
	}
	return errors.Join(orders.Err(), store.Close())
}

// remote makes calls in another process, one at a time.
type remote struct {
	caller // what the process is not asked for

	mu      sync.Mutex
	process *proctest.Process
}

func (r *remote) call(_ context.Context, c call, f conformance.Fault) (answer, error) {
	text, err := json.Marshal(order{Call: c, Fault: f})
	if err != nil {
		return answer{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.process.Order(string(text))
	var told report
	if err := json.Unmarshal([]byte(r.process.Answer()), &told); err != nil {
		return answer{}, err
	}
	if told.Err != "" {
		return answer{}, errors.New(told.Err)
	}
	return told.Answer, nil
}
