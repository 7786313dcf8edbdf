package view_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/internal/redistest"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/redisbackend"
	"github.com/leasekit/leasekit/sqlitebackend"
	"github.com/leasekit/leasekit/view"
)

// openers are the stores that the page is tested on.
var openers = map[string]func(t *testing.T) lease.Manager{
	"memory": func(*testing.T) lease.Manager { return memory.New(nil) },
	"sqlite": func(t *testing.T) lease.Manager {
		m, err := sqlitebackend.Open(t.Context(), filepath.Join(t.TempDir(), "leases.db"), nil)
		require.NoError(t, err)
		return m
	},
	"redis": func(t *testing.T) lease.Manager {
		client := redis.NewClient(&redis.Options{Addr: redistest.Single(t).Addr()})
		t.Cleanup(func() { client.Close() })
		m, err := redisbackend.Open(t.Context(), client, nil)
		require.NoError(t, err)
		return m
	},
}

// onAll runs a test on each store.
func onAll(t *testing.T, f func(t *testing.T, m lease.Manager)) {
	for name, open := range openers {
		t.Run(name, func(t *testing.T) {
			m := open(t)
			t.Cleanup(func() { m.Close() })
			f(t, m)
		})
	}
}

// handler is the page over m, ended with the test.
func handler(t *testing.T, m lease.Manager, o view.Options) http.Handler {
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	if o.Context == nil {
		o.Context = ctx
	}
	return view.Handler(m, &o)
}

func anybody(*http.Request, view.Action) bool { return true }

// fetch asks the handler, and returns the status and the body.
func fetch(t *testing.T, h http.Handler, request *http.Request) (int, []byte) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, request)
	return w.Code, w.Body.Bytes()
}

// get asks for JSON and fills in the value.
func get(t *testing.T, h http.Handler, url string, value any) {
	t.Helper()
	status, body := fetch(t, h, httptest.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody))
	require.Equal(t, http.StatusOK, status, "%s: %s", url, body)
	require.NoError(t, json.Unmarshal(body, value), "%s: %s", url, body)
}

// post sends JSON as the page does.
func post(t *testing.T, h http.Handler, url string, value any, change ...func(*http.Request)) (int, string) {
	t.Helper()
	body, err := json.Marshal(value)
	require.NoError(t, err)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	for _, c := range change {
		c(r)
	}
	status, answer := fetch(t, h, r)
	return status, string(answer)
}

// line is a line of api/now.
type line struct {
	Kind, Path, Name, Holder string
	ID                       lease.ID
	Mode, Scope              string
	Depth, Held, Waiting     int
	Waiters, Position        int
	Open                     bool
}

// state is the answer of api/now.
type state struct {
	Now             time.Time
	Version         uint64
	Active, Pending int
	Incomplete      bool
	Total, Offset   int
	Rows            []line
}

func now(t *testing.T, h http.Handler, query string) state {
	t.Helper()
	var s state
	get(t, h, "/api/now?"+query, &s)
	return s
}

// eventually waits until the list of the page passes.
func eventually(t *testing.T, h http.Handler, query string, pass func(state) bool) state {
	t.Helper()
	var s state
	require.Eventually(t, func() bool {
		s = now(t, h, query)
		return pass(s)
	}, 20*time.Second, 5*time.Millisecond)
	return s
}

func acquire(t *testing.T, m lease.Manager, holder string, claims []lease.Claim) lease.Lease {
	t.Helper()
	l, err := m.TryAcquire(t.Context(), lease.Request{Holder: holder, Claims: claims, TTL: time.Minute})
	require.NoError(t, err)
	return l
}

// wait puts a request in line that asks for it only once.
func wait(t *testing.T, m lease.Manager, holder string, claims []lease.Claim) (lease.ID, *lease.ConflictError) {
	t.Helper()
	id := lease.NewID()
	_, err := m.TryAcquire(t.Context(), lease.Request{ID: id, Holder: holder, Claims: claims, TTL: time.Minute, QueueTTL: 10 * time.Minute})
	var conflict *lease.ConflictError
	require.ErrorAs(t, err, &conflict)
	return id, conflict
}

// message is one of the stream.
type message struct {
	ID      string `json:"-"`
	Now     time.Time
	Version uint64
	Title   string
	May     []string
	Events  []struct {
		Seq    lease.Seq
		Kind   lease.Kind
		ID     lease.ID
		Holder string
	}
	Gap   bool
	Away  time.Time
	Error string
}

// viewer is somebody who looks at the stream, without a network between.
type viewer struct {
	t        *testing.T
	messages chan message
	stop     context.CancelFunc
	done     chan struct{}
	after    string
}

func watch(t *testing.T, h http.Handler, lastEventID string) *viewer {
	ctx, stop := context.WithCancel(t.Context())
	read, write := io.Pipe()
	v := &viewer{t: t, messages: make(chan message, 1000), stop: stop, done: make(chan struct{})}
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/api/stream", http.NoBody)
	if lastEventID != "" {
		r.Header.Set("Last-Event-ID", lastEventID)
	}
	go func() {
		h.ServeHTTP(&pipeWriter{header: http.Header{}, w: write}, r)
		write.Close()
	}()
	go func() {
		defer close(v.done)
		defer close(v.messages)
		scanner := bufio.NewScanner(read)
		scanner.Buffer(nil, 64<<20)
		var m message
		for scanner.Scan() {
			key, text, _ := strings.Cut(scanner.Text(), ": ")
			switch key {
			case "id":
				m.ID = text
			case "data":
				if err := json.Unmarshal([]byte(text), &m); err != nil {
					t.Errorf("%v: %s", err, text)
				}
			case "":
				v.messages <- m
				m = message{}
			}
		}
	}()
	t.Cleanup(func() { v.leave() })
	return v
}

func (v *viewer) leave() {
	v.stop()
	for range v.messages { // so that its goroutines can end
	}
	<-v.done
}

// next is the next message.
func (v *viewer) next() message {
	v.t.Helper()
	select {
	case m, ok := <-v.messages:
		require.True(v.t, ok, "the stream has ended")
		v.after = m.ID
		return m
	case <-time.After(20 * time.Second):
		v.t.Fatal("no message")
		return message{}
	}
}

// events collects n events.
func (v *viewer) events(n int) []lease.Kind {
	v.t.Helper()
	var kinds []lease.Kind
	for len(kinds) < n {
		m := v.next()
		require.False(v.t, m.Gap)
		for _, e := range m.Events {
			kinds = append(kinds, e.Kind)
		}
	}
	return kinds
}

type pipeWriter struct {
	header http.Header
	w      io.Writer
}

func (p *pipeWriter) Header() http.Header         { return p.header }
func (p *pipeWriter) WriteHeader(int)             {}
func (p *pipeWriter) Write(b []byte) (int, error) { return p.w.Write(b) }
func (p *pipeWriter) Flush()                      {}

// counter counts the calls that the page makes, and makes them fail.
type counter struct {
	lease.Manager
	mu     sync.Mutex
	calls  map[string]int
	down   atomic.Bool
	during atomic.Value // func(), called while a List is read
}

func (c *counter) count(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calls == nil {
		c.calls = map[string]int{}
	}
	c.calls[name]++
}

func (c *counter) of(name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls[name]
}

var errDown = &lease.UnavailableError{Op: "test", Err: io.ErrUnexpectedEOF}

func (c *counter) Stats(ctx context.Context) (lease.Stats, error) {
	c.count("stats")
	if c.down.Load() {
		return lease.Stats{}, errDown
	}
	return c.Manager.Stats(ctx)
}

func (c *counter) List(ctx context.Context, q lease.Query) iter.Seq2[lease.Lease, error] {
	c.count("list")
	return func(yield func(lease.Lease, error) bool) {
		for l, err := range c.Manager.List(ctx, q) {
			if !yield(l, err) {
				return
			}
		}
		if during, ok := c.during.Load().(func()); ok {
			during()
		}
	}
}

func (c *counter) Watch(ctx context.Context, q lease.Query) iter.Seq2[lease.Event, error] {
	c.count("watch")
	return func(yield func(lease.Event, error) bool) {
		defer c.count("unwatch")
		for e, err := range c.Manager.Watch(ctx, q) {
			if !yield(e, err) {
				return
			}
		}
	}
}

func (c *counter) History(ctx context.Context, q lease.Query) iter.Seq2[lease.Event, error] {
	c.count("history")
	return c.Manager.History(ctx, q)
}

// trimmed is a store whose history is trimmed under the first watch.
type trimmed struct {
	lease.Manager
	fail    chan struct{}
	watches atomic.Int32
}

func (m *trimmed) Watch(ctx context.Context, q lease.Query) iter.Seq2[lease.Event, error] {
	if m.watches.Add(1) > 1 {
		return m.Manager.Watch(ctx, q)
	}
	return func(yield func(lease.Event, error) bool) {
		select {
		case <-m.fail:
			yield(lease.Event{}, &lease.TrimmedError{After: 1, Oldest: 100})
		case <-ctx.Done():
			yield(lease.Event{}, ctx.Err())
		}
	}
}

func request(url string) *http.Request {
	return httptest.NewRequest(http.MethodGet, url, http.NoBody)
}
