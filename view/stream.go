package view

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/leasekit/leasekit/lease"
)

const (
	// batch is the shortest time between two messages of a stream.
	batch = 100 * time.Millisecond
	// quiet is how soon a stream tells what is no hurry: renewals.
	quiet = time.Second
	// patience is how long a viewer may take to read a message. One that takes
	// longer is dropped, and comes back for what it missed.
	patience = 10 * time.Second
	// mostEvents is how many events a message has. A viewer that is further
	// behind has more from a look at the state than from a list of them.
	mostEvents = 500
)

// message is what a stream sends. Its ID is the newest event it covers.
type message struct {
	Now     time.Time         `json:"now"`
	Version uint64            `json:"version"`
	Title   string            `json:"title,omitzero"` // the first message only, with May and Every
	May     []Action          `json:"may,omitzero"`
	Every   float64           `json:"heartbeat_seconds,omitzero"`
	Events  []json.RawMessage `json:"events,omitempty"`
	Gap     bool              `json:"gap,omitzero"`  // some events before these are not told
	Away    time.Time         `json:"away,omitzero"` // since when the store does not answer
	Error   string            `json:"error,omitzero"`
}

// stream serves changes as server-sent events. One that resumes, by the header
// Last-Event-ID or the parameter after, first gets the events that it missed.
func (h *handler) stream(w http.ResponseWriter, r *http.Request) {
	session, leave, err := h.feed.use(r.Context())
	if err != nil {
		answer(w, nil, err)
		return
	}
	defer leave()
	control := http.NewResponseController(w)
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("X-Accel-Buffering", "no") // nginx would keep messages back

	after, resumes := resumeFrom(r)
	first := message{Title: h.options.Title, May: h.may(r), Every: h.options.Heartbeat.Seconds()}
	sent := time.Time{}
	var version uint64
	for {
		u := session.mirror.since(after)
		if !resumes { // what came before is in the answers to other requests
			u.events, u.gap, resumes = nil, false, true
		}
		beat := time.Since(sent) >= h.options.Heartbeat
		if u.version != version || beat {
			text := encode(first, u)
			_ = control.SetWriteDeadline(time.Now().Add(patience)) // not every writer has one
			if _, err := w.Write(text); err != nil {
				return
			}
			if err := control.Flush(); err != nil {
				return
			}
			first, sent, version, after = message{}, time.Now(), u.version, u.seq
			if u.over {
				return
			}
		}
		if !pause(r, session, batch, nil) || !pause(r, session, min(quiet, h.options.Heartbeat)-batch, u.changed) {
			return
		}
	}
}

// pause waits until a time is over or something has changed, and reports
// whether to go on.
func pause(r *http.Request, s *session, d time.Duration, changed <-chan struct{}) bool {
	timer := time.NewTimer(max(d, 0))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-changed:
	case <-r.Context().Done():
		return false
	case <-s.ctx.Done():
		return false
	}
	return true
}

func resumeFrom(r *http.Request) (lease.Seq, bool) {
	for _, text := range []string{r.Header.Get("Last-Event-ID"), r.URL.Query().Get("after")} {
		if seq, err := strconv.ParseUint(text, 10, 64); err == nil {
			return lease.Seq(seq), true
		}
	}
	return 0, false
}

// encode makes the text of a message.
func encode(m message, u update) []byte {
	m.Now, m.Version, m.Gap, m.Away = u.now, u.version, u.gap, u.away
	if u.err != nil {
		m.Error = u.err.Error()
	}
	if over := len(u.events) - mostEvents; over > 0 {
		u.events, m.Gap = u.events[over:], true
	}
	for _, e := range u.events {
		m.Events = append(m.Events, e.json)
	}
	var b bytes.Buffer
	data, err := json.Marshal(m)
	if err != nil {
		data = []byte("{}") // texts and times only: it cannot fail
	}
	fmt.Fprintf(&b, "retry: 1000\nid: %d\ndata: %s\n\n", u.seq, data)
	return b.Bytes()
}
