package sqlitedb

import (
	"context"
	"sync"
	"time"

	"github.com/leasekit/leasekit/internal/hints"
)

// How often the poller looks: every fiftieth of the time since something last
// happened, within these limits. So a hand-off between processes takes about
// 1 ms, one that had to be waited for takes 2 % longer, and a long wait costs
// 10 looks a second, less than half a percent of a processor. Go does not sleep
// for less than 1 ms; file notifications (inotify) come before the commit can
// be seen, and are missed. It tends after a quarter of that time, but
// four times a second at most, and once at least.
const (
	pollFastest = time.Millisecond
	pollSlowest = 100 * time.Millisecond
	pollShare   = 50

	tendFastest = 250 * time.Millisecond
	tendSlowest = time.Second
	tendShare   = 4
)

// Poller notices the commits of other processes while somebody waits for
// them. There is one for each store.
//
// It calls noticed after changed has reported a change, and tend a few
// times a second, once a second when nothing happens, in a goroutine that runs only
// between the first Watch and the last stop. It makes no two calls at once.
type Poller struct {
	changed func(context.Context) (bool, error) // Writer.Changed
	noticed func()
	tend    func()

	mutex   sync.Mutex
	closed  bool
	waiting int
	cancel  context.CancelFunc // of the goroutine that runs
	arrived chan struct{}      // buffered 1: somebody has begun to wait
	running sync.WaitGroup
	looking chan struct{} // buffered 1: has one that looks, as the next may begin before it has ended
}

// NewPoller returns a poller that does not look yet.
func NewPoller(changed func(context.Context) (bool, error), noticed, tend func()) *Poller {
	return &Poller{changed: changed, noticed: noticed, tend: tend, looking: make(chan struct{}, 1)}
}

// Watch makes the poller look until stop is called, and often at first. stop
// may be called again. On a closed poller Watch does nothing.
func (p *Poller) Watch() (stop func()) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.closed {
		return func() {}
	}
	p.waiting++
	if p.waiting == 1 {
		ctx, cancel := context.WithCancel(context.Background())
		arrived := make(chan struct{}, 1)
		p.cancel, p.arrived = cancel, arrived
		p.running.Go(func() { p.look(ctx, arrived) })
	} else {
		hints.Send(p.arrived)
	}
	return sync.OnceFunc(func() {
		p.mutex.Lock()
		defer p.mutex.Unlock()
		p.waiting--
		if p.waiting == 0 {
			p.cancel()
		}
	})
}

// Close ends the looking, whoever still waits, and returns when noticed and tend
// are called no more.
func (p *Poller) Close() {
	p.mutex.Lock()
	p.closed = true
	if p.cancel != nil {
		p.cancel()
	}
	p.mutex.Unlock()
	p.running.Wait()
}

func (p *Poller) look(ctx context.Context, arrived <-chan struct{}) {
	select {
	case p.looking <- struct{}{}:
		defer func() { <-p.looking }()
	case <-ctx.Done():
		return
	}
	last := time.Now() // when something last happened
	tended := last
	timer := time.NewTimer(pollFastest)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-arrived:
			last = time.Now()
		case <-timer.C:
			// An error shows in the waiters' own calls too, so it only slows
			// the poller down, as nothing happening does.
			if changed, err := p.changed(ctx); err == nil && changed {
				last = time.Now()
				p.noticed()
			}
			if time.Since(tended) >= within(time.Since(last)/tendShare, tendFastest, tendSlowest) {
				p.tend()
				tended = time.Now()
			}
		}
		timer.Reset(within(time.Since(last)/pollShare, pollFastest, pollSlowest))
	}
}

func within(d, least, most time.Duration) time.Duration { return min(max(d, least), most) }
