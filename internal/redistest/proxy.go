package redistest

import (
	"bytes"
	"net"
	"sync"
	"testing"
	"time"
)

// Proxy stands between clients and one server and misbehaves on demand. Its methods may be called at any time,
// from any goroutine.
type Proxy struct {
	target   string
	listener net.Listener

	mu      sync.Mutex
	mode    proxyMode
	changed chan struct{} // closed and renewed whenever mode changes
	delay   time.Duration
	command []byte // replies to requests that contain it are lost ...
	losses  int    // ... this many times
	links   map[*link]struct{}
	pumps   sync.WaitGroup
}

type proxyMode uint8

const (
	passing  proxyMode = iota
	stalled            // nothing moves, connections stay open
	deaf               // requests arrive, replies vanish
	refusing           // every connection is closed at once
)

// link is one client's connection and its twin to the server.
type link struct {
	client, server net.Conn
	done           chan struct{}
	once           sync.Once

	mu       sync.Mutex
	loseNext bool // the reply to the request that has just passed is to be lost
	lost     bool // a reply was dropped: what follows would be taken for it
}

// NewProxy starts a proxy before the server at the address target.
func NewProxy(tb testing.TB, target string) *Proxy {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("redistest: proxy: %v", err)
	}
	proxy := &Proxy{target: target, listener: listener, changed: make(chan struct{}), links: map[*link]struct{}{}}
	proxy.pumps.Go(proxy.accept)
	tb.Cleanup(func() {
		_ = listener.Close()
		proxy.setMode(refusing)
		proxy.pumps.Wait()
	})
	return proxy
}

// Addr is where clients connect to.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Stall makes the link a black hole: connections stay open and new ones are accepted, but nothing moves in either
// direction until Resume, which delivers what was held back.
func (p *Proxy) Stall() { p.setMode(stalled) }

// DropReplies lets requests through and throws every reply away, until Resume, which closes the connections
// that lost one.
func (p *Proxy) DropReplies() { p.setMode(deaf) }

// Refuse closes all connections, and new ones at once, until Resume.
func (p *Proxy) Refuse() { p.setMode(refusing) }

// Resume ends Stall, DropReplies and Refuse.
func (p *Proxy) Resume() { p.setMode(passing) }

// Cut closes all connections; new ones are served.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for open := range p.links {
		open.close()
	}
}

// Delay holds every reply back for so long, from now on.
func (p *Proxy) Delay(delay time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = delay
}

// LoseReplyTo lets the next times requests that contain command (such as "evalsha"; upper and lower case are the
// same) through to the server, but closes their connection in place of the reply: what the request did is done, and
// its sender cannot know.
func (p *Proxy) LoseReplyTo(command string, times int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.command, p.losses = bytes.ToLower([]byte(command)), times
}

func (p *Proxy) setMode(mode proxyMode) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mode = mode
	close(p.changed)
	p.changed = make(chan struct{})
	for open := range p.links {
		if mode == refusing || mode == passing && open.isLost() {
			open.close()
		}
	}
}

func (p *Proxy) state() (mode proxyMode, changed <-chan struct{}, delay time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mode, p.changed, p.delay
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		open := &link{client: client, server: server, done: make(chan struct{})}
		p.mu.Lock()
		if p.mode == refusing {
			open.close()
		} else {
			p.links[open] = struct{}{}
			p.pumps.Go(func() { p.pump(open, client, server, false) })
			p.pumps.Go(func() { p.pump(open, server, client, true) })
		}
		p.mu.Unlock()
	}
}

// chunk is what one read brought, and when it may go on.
type chunk struct {
	data []byte
	due  time.Time
}

// pump carries one direction of a link. Reading and writing are two goroutines, so that a delay holds each chunk
// back without making the chunks wait for each other.
func (p *Proxy) pump(open *link, from, to net.Conn, replies bool) {
	defer p.forget(open)
	chunks := make(chan chunk, 1024)
	p.pumps.Go(func() {
		defer close(chunks)
		buffer := make([]byte, 64<<10)
		for {
			n, err := from.Read(buffer)
			if err != nil {
				return
			}
			_, _, delay := p.state()
			if !replies {
				p.noteRequest(open, buffer[:n])
				delay = 0
			}
			select {
			case chunks <- chunk{bytes.Clone(buffer[:n]), time.Now().Add(delay)}:
			case <-open.done:
				return
			}
		}
	})
	for next := range chunks {
		if !p.carry(open, to, next, replies) {
			return
		}
	}
}

// carry brings one chunk to the other side and says whether the link goes on.
func (p *Proxy) carry(open *link, to net.Conn, next chunk, replies bool) bool {
	if wait := time.Until(next.due); wait > 0 {
		select {
		case <-time.After(wait):
		case <-open.done:
			return false
		}
	}
	mode, changed, _ := p.state()
	for mode == stalled {
		select {
		case <-changed:
		case <-open.done:
			return false
		}
		mode, changed, _ = p.state()
	}
	if replies {
		open.mu.Lock()
		lose := open.loseNext
		open.lost = open.lost || mode == deaf
		open.mu.Unlock()
		if lose {
			return false
		}
		if mode == deaf {
			return true
		}
	}
	_, err := to.Write(next.data)
	return err == nil
}

// noteRequest marks the link if the reply to this request is one to be lost.
func (p *Proxy) noteRequest(open *link, request []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.losses == 0 || !bytes.Contains(bytes.ToLower(request), p.command) {
		return
	}
	p.losses--
	open.mu.Lock()
	open.loseNext = true
	open.mu.Unlock()
}

func (p *Proxy) forget(open *link) {
	open.close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, open)
}

func (l *link) isLost() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

func (l *link) close() {
	l.once.Do(func() {
		close(l.done)
		_ = l.client.Close()
		_ = l.server.Close()
	})
}
