// Package linearizability checks a store under concurrency: callers on several
// handles, or in several processes, call it at once in real time, and there must
// be an order of the calls, each at a moment between its call and its return, in
// which a model of the contract gives the same answers. The search for that
// order is porcupine's.
//
// Leases and places outlast every history, so time plays no part: that is what
// package conformance checks. Waiting is checked as the asks of which it
// consists.
//
// A store's test needs no more than its fixture of package conformance:
//
//	func TestLinearizability(t *testing.T) { linearizability.Run(t, fixture) }
package linearizability

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/conformance"
	"github.com/leasekit/leasekit/lease"
)

// Variable names the environment variable that says how long Run records
// histories, as a Go duration. Without it that is two seconds.
const Variable = "LEASEKIT_LINEARIZE"

const (
	usual   = 2 * time.Second
	handles = 2
	limit   = 20 * time.Second // for one history, most of which take milliseconds
	delay   = 2 * time.Millisecond

	maxCancels = 2 // in one history: each multiplies the orders to look at
	maxEvents  = 1000
	sweepLimit = 1000
)

// Run records many short histories on the store that newFixture makes, each of a
// few callers on two handles, in half of them with calls that go wrong
// ([conformance.Faults]), and fails t with the first that has no order. It
// prints what was called up to the first answer that none explains, and writes a
// picture of it into t's artifacts (go test -artifacts).
func Run(t *testing.T, newFixture func(testing.TB) conformance.Fixture) {
	t.Helper()
	fixture := newFixture(t)
	var callers []caller
	for range handles {
		store := fixture.Open(t)
		t.Cleanup(func() { _ = store.Close() })
		callers = append(callers, local{store})
	}
	run(t, callers)
}

// caller makes calls: in this process or in another one.
type caller interface {
	call(ctx context.Context, c call, f conformance.Fault) (answer, error)
	begin(ctx context.Context) (version uint64, err error) // before the first history
	end(ctx context.Context, prefix string) error          // after each: removes what is below
}

// local is a handle in this process.
type local struct{ backend.Store }

func (l local) call(ctx context.Context, c call, f conformance.Fault) (answer, error) {
	faults := conformance.NewFaults(l.Store, conformance.FaultOptions{Delay: delay})
	for _, op := range []conformance.Op{
		conformance.OpAcquire, conformance.OpRenew, conformance.OpRelease, conformance.OpWithdraw, conformance.OpForce, conformance.OpList,
	} {
		faults.Next(op, f)
	}
	return c.on(ctx, faults)
}

// begin makes the store forget soon, for long runs.
func (l local) begin(ctx context.Context) (version uint64, err error) {
	reply, err := l.Config(ctx)
	if err != nil {
		return 0, err
	}
	c := reply.Config
	c.EndedRetention, c.EndedMax, c.HistoryMaxEvents = lease.MinEndedRetention, 0, maxEvents
	c, err = l.SetConfig(ctx, c)
	return c.Version, err
}

func (l local) end(ctx context.Context, prefix string) error {
	for n := 0; ; n++ {
		reply, err := l.Force(ctx, backend.ForceArgs{Query: lease.Query{Under: prefix}, Op: fmt.Sprint(prefix, " end ", n), Again: n > 0})
		if err != nil {
			return err
		}
		if reply.Outcome != backend.Again {
			break
		}
	}
	_, err := l.Sweep(ctx, sweepLimit)
	return err
}

// length returns how long histories are to be recorded.
func length() (time.Duration, error) {
	text := os.Getenv(Variable)
	if text == "" {
		return usual, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", Variable, err)
	}
	return d, nil
}

// run records and checks histories for as long as it is told to.
func run(t *testing.T, callers []caller) {
	t.Helper()
	d, err := length()
	if err != nil {
		t.Fatal(err)
	}
	done, err := search(t.Context(), callers, d)
	if found := new(violation); errors.As(err, &found) {
		picture := filepath.Join(t.ArtifactDir(), "history.html")
		if err := porcupine.VisualizePath(contract(), found.info, picture); err != nil {
			t.Error(err)
		}
		t.Logf("%s shows it", picture)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Log(done)
}

// violation is a history that no order explains.
type violation struct {
	history string
	info    porcupine.LinearizationInfo
}

func (v *violation) Error() string {
	return "not linearizable: no order of these calls, by time in µs, explains the answer that came last:\n" + v.history
}

// search records and checks histories, the last one when the time is over. It
// returns what it did, or a violation. A history whose orders are too many to
// look at has no verdict; with more than a few of them the search has failed.
func search(ctx context.Context, callers []caller, d time.Duration) (done string, err error) {
	version, err := callers[0].begin(ctx)
	if err != nil {
		return "", err
	}
	seed, began := rand.Uint64(), time.Now()
	histories, calls, undecided := 0, 0, 0
	for ; histories == 0 || time.Since(began) < d; histories++ {
		r := newRound(callers, fmt.Sprintf("%x-%d", seed, histories), version, seed+uint64(histories))
		if err := r.record(ctx); err != nil {
			return "", err
		}
		calls += len(r.history)
		switch v := check(r.history, limit); v.result {
		case porcupine.Illegal:
			return "", &violation{history: r.plain(text(v.history)), info: v.info}
		case porcupine.Unknown:
			undecided++
		}
	}
	done = fmt.Sprintf("%d calls in %d histories in %v, %d histories without a verdict within %v", calls, histories,
		time.Since(began).Round(time.Millisecond), undecided, limit)
	if undecided > 1+histories/50 {
		return "", errors.New("too little was decided: " + done)
	}
	return done, nil
}

// round is the recording of one history.
type round struct {
	*script
	callers []caller
	seed    uint64
	faulty  bool
	began   time.Time
	alone   bool // one call at a time is made

	mu      sync.Mutex
	history []porcupine.Operation
	cancels int
	errs    []error
}

func newRound(callers []caller, prefix string, version, seed uint64) *round {
	return &round{script: newScript(prefix, version, seed), callers: callers, seed: seed, faulty: seed%2 == 1}
}

// record lets several goroutines call at once, then looks at all there is and
// ends it.
func (r *round) record(ctx context.Context) error {
	random := rand.New(rand.NewPCG(r.seed, 1))
	goroutines, calls := 2+random.IntN(4), 4+random.IntN(9)
	start := make(chan struct{})
	r.began = time.Now()
	var all sync.WaitGroup
	for g := range goroutines {
		faults := rand.New(rand.NewPCG(r.seed, uint64(2+g)))
		all.Go(func() {
			<-start
			for range calls {
				r.do(ctx, g, r.next(), r.fault(faults))
			}
		})
	}
	close(start)
	all.Wait()
	r.alone = true
	for i := range r.callers { // every handle sees the same
		q := lease.Query{Under: r.prefix, Status: []lease.Status{lease.Pending, lease.Active, lease.Expired, lease.Released, lease.Failed}}
		r.do(ctx, i, call{List: &q}, conformance.Pass)
	}
	return errors.Join(append(r.errs, r.callers[0].end(ctx, r.prefix))...)
}

// fault says how the next call goes wrong.
func (r *round) fault(random *rand.Rand) conformance.Fault {
	if !r.faulty || random.IntN(4) > 0 {
		return conformance.Pass
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	some := []conformance.Fault{conformance.DropReply, conformance.Delay, conformance.Late, conformance.Cancel, conformance.Repeat}
	f := some[random.IntN(len(some))]
	if f == conformance.Cancel {
		if r.cancels++; r.cancels > maxCancels {
			return conformance.Pass
		}
	}
	return f
}

// do makes a call and records it. A call that failed is made once more, as
// callers do.
func (r *round) do(ctx context.Context, g int, c call, f conformance.Fault) {
	began := time.Since(r.began).Nanoseconds()
	got, err := r.callers[g%len(r.callers)].call(ctx, c, f)
	ended := time.Since(r.began).Nanoseconds()
	switch {
	case err != nil && f != conformance.DropReply && f != conformance.Cancel:
		r.mu.Lock()
		defer r.mu.Unlock()
		r.errs = append(r.errs, fmt.Errorf("%v: %w", c, err))
		return
	case err != nil:
		if f == conformance.Cancel { // it may still be done, at any time
			ended = never
		}
		r.add(g, c, answer{unknown: true}, began, ended)
		r.do(ctx, g, c, conformance.Pass)
		return
	case f == conformance.Repeat: // the first of the two is done by then
		r.add(g, c, answer{unknown: true}, began, ended)
	}
	r.learn(got)
	if got.Pages <= 1 || r.alone {
		r.add(g, c, got, began, ended)
	}
}

func (r *round) add(g int, c call, a answer, began, ended int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.history = append(r.history, porcupine.Operation{ClientId: g, Input: c, Output: a, Call: began, Return: ended})
}
