package browsertest

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/view"
)

// A server that is restarted is found again, and what happened meanwhile shows.
func TestServerRestarts(t *testing.T) {
	onAll(t, func(t *testing.T, m lease.Manager) {
		s := serve(t, m, view.Options{})
		acquire(t, m, "before", lease.Paths("a"))
		b := open(t, s.url, 1280, 800)
		b.shows("before")
		b.shows("Live")
		s.stop()
		b.shows("Reconnecting")
		acquire(t, m, "meanwhile", lease.Paths("b"))
		s.start()
		b.shows("Live")
		b.shows("meanwhile")
		acquire(t, m, "after", lease.Paths("c"))
		b.shows("after")

		// It asked to go on from where it was.
		var resumed bool
		for _, r := range b.asked() {
			u, err := url.Parse(r)
			require.NoError(t, err)
			resumed = resumed || u.Query().Get("after") != ""
		}
		require.True(t, resumed)
	})
}

// asleep is how long a page sleeps beyond what else takes time meanwhile:
// LEASEKIT_ASLEEP, such as 10m, or not at all.
func asleep(tb testing.TB) time.Duration {
	text := os.Getenv("LEASEKIT_ASLEEP")
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	require.NoError(tb, err)
	return d
}

// A page that was frozen, as a sleeping machine does it, shows the present as
// soon as it wakes, though its connection broke meanwhile without a sign.
func TestPageSleeps(t *testing.T) {
	m := inMemory(t)
	s := serve(t, m, view.Options{})
	link := newLink(t, s.address)
	b := open(t, fmt.Sprintf("http://%s/team/leases/", link.address), 1280, 800)
	acquire(t, m, "before", lease.Paths("a"))
	b.shows("before")
	call(b, page.SetWebLifecycleState, page.SetWebLifecycleStateParams{State: "frozen"})
	link.stall()
	<-time.After(asleep(t))
	acquire(t, m, "meanwhile", lease.Paths("b"))
	call(b, page.SetWebLifecycleState, page.SetWebLifecycleStateParams{State: "active"})
	// The driver leaves the page hidden. Somebody looks at it.
	value[bool](b, "Object.defineProperty(document, 'hidden', {get: () => false}) && document.dispatchEvent(new Event('visibilitychange'))")
	b.shows("meanwhile")
	b.shows("Live")
}

// A connection that is dead without a sign is noticed by its silence.
func TestConnectionStalls(t *testing.T) {
	m := inMemory(t)
	s := serve(t, m, view.Options{})
	link := newLink(t, s.address)
	b := open(t, fmt.Sprintf("http://%s/team/leases/", link.address), 1280, 800)
	acquire(t, m, "before", lease.Paths("a"))
	b.shows("before")
	link.stall()
	acquire(t, m, "meanwhile", lease.Paths("b"))
	b.shows("meanwhile")
	b.shows("Live")
}

// A store that does not answer is said to, and what is shown is kept.
func TestStoreAway(t *testing.T) {
	m := &outage{Manager: inMemory(t)}
	s := serve(t, m, view.Options{})
	acquire(t, m, "ann", lease.Paths("a"))
	b := open(t, s.url, 1280, 800)
	b.shows("ann")
	m.set(true)
	b.shows("The store does not answer since")
	b.shows("ann")
	m.set(false)
	b.hides("The store does not answer since")
	b.shows("Live")
	b.clean()
}

// Behind a proxy that strips the prefix.
func TestBehindAProxy(t *testing.T) {
	m := inMemory(t)
	s := serve(t, m, view.Options{Allow: anybody})
	target, err := url.Parse(s.url)
	require.NoError(t, err)
	proxy := &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.SetXForwarded()
	}}
	mux := http.NewServeMux()
	mux.Handle("/ops/", http.StripPrefix("/ops", proxy))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go server.Serve(listener) //nolint:errcheck // it ends with Close
	defer server.Close()
	l := acquire(t, m, "ann", lease.Paths("a"))
	b := open(t, fmt.Sprintf("http://%s/ops/#lease?id=%s", listener.Addr(), l.ID), 1280, 800)
	b.shows("Live")
	b.click("Force release…")
	b.until("document.querySelector('dialog').innerText.includes('End 1 lease')")
	b.press("because")
	b.click("End 1 lease")
	b.shows("Ended 1 lease.")
	b.clean()
}

// link passes connections on. Those that exist when it stalls pass nothing any
// more, and are not closed.
type link struct {
	address string
	mu      sync.Mutex
	open    []net.Conn
	stalled map[net.Conn]bool
}

func newLink(t *testing.T, to string) *link {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	l := &link{address: listener.Addr().String(), stalled: map[net.Conn]bool{}}
	t.Cleanup(func() {
		listener.Close()
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, c := range l.open {
			c.Close()
		}
	})
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil {
				near.Close()
				continue
			}
			l.mu.Lock()
			l.open = append(l.open, near, far)
			l.mu.Unlock()
			go l.pass(near, far)
			go l.pass(far, near)
		}
	}()
	return l
}

func (l *link) pass(from, to net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		l.mu.Lock()
		stalled := l.stalled[from]
		l.mu.Unlock()
		if stalled {
			_, _ = io.Copy(io.Discard, from)
			return
		}
		if _, writeErr := to.Write(buffer[:n]); err != nil || writeErr != nil {
			from.Close()
			to.Close()
			return
		}
	}
}

func (l *link) stall() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.open {
		l.stalled[c] = true
	}
}
