package view

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/leasekit/leasekit/lease"
)

const (
	// mostEnded is how many leases one click may end: as many as a person
	// looks at before.
	mostEnded = 200
	// longestBody is how much a request may send.
	longestBody = 256 << 10
)

// previewAnswer is what a force release would end.
type previewAnswer struct {
	head
	Rows []row `json:"rows"`
	More bool  `json:"more"` // and others, beyond what may be ended at once
}

// previewRelease asks the store what a force release would end now.
func (h *handler) previewRelease(r *http.Request) (any, error) {
	p := &parameters{r: r}
	q := lease.Query{ID: lease.ID(p.text("id")), Holder: p.text("holder"), Path: p.text("path"), Under: p.text("under")}
	if p.err != nil {
		return nil, p.err
	}
	if q.Empty() {
		return nil, lease.Invalid("query", "give an id, holder, path or under")
	}
	session, leave, err := h.feed.use(r.Context())
	if err != nil {
		return nil, err
	}
	defer leave()
	q.Status = []lease.Status{lease.Pending, lease.Active}
	q.Limit = mostEnded + 1
	s := session.mirror.snapshot()
	answer := previewAnswer{head: s.head, Rows: []row{}}
	for l, err := range h.manager.List(r.Context(), q) {
		if err != nil {
			return nil, err
		}
		if len(answer.Rows) == mostEnded {
			answer.More = true
			break
		}
		answer.Rows = append(answer.Rows, summary(s, &l, 0).short())
	}
	return answer, nil
}

// releaseOrder names what a person has seen and wants ended.
type releaseOrder struct {
	Leases []struct {
		ID     lease.ID `json:"id"`
		Holder string   `json:"holder"`
	} `json:"leases"`
	Reason string `json:"reason"`
}

// releaseAnswer says what was ended. What had ended before is in neither list.
type releaseAnswer struct {
	Ended []row    `json:"ended"`
	Error *problem `json:"error,omitempty"` // what kept the rest
}

// forceRelease ends exactly the requests that it is given: what came after a
// person looked is not ended with them.
func (h *handler) forceRelease(r *http.Request) (any, error) {
	var order releaseOrder
	if err := decode(r, &order); err != nil {
		return nil, err
	}
	reason := strings.TrimSpace(order.Reason)
	switch {
	case reason == "":
		return nil, lease.Invalid("reason", "empty")
	case len(order.Leases) == 0:
		return nil, lease.Invalid("leases", "none given")
	case len(order.Leases) > mostEnded:
		return nil, lease.Invalid("leases", "%d given, at most %d", len(order.Leases), mostEnded)
	}
	for _, l := range order.Leases {
		if l.ID == "" || l.Holder == "" {
			return nil, lease.Invalid("leases", "each needs an id and a holder")
		}
	}
	session, leave, err := h.feed.use(r.Context())
	if err != nil {
		return nil, err
	}
	defer leave()
	s := session.mirror.snapshot()
	answer := releaseAnswer{Ended: []row{}}
	by := lease.Revocation{Actor: h.actor(r), Reason: reason}
	for _, l := range order.Leases {
		ended, err := h.manager.ForceRelease(r.Context(), lease.Query{ID: l.ID, Holder: l.Holder}, by)
		for _, e := range ended {
			answer.Ended = append(answer.Ended, summary(s, &e, 0).short())
		}
		if err != nil && len(answer.Ended) == 0 {
			return nil, err
		}
		if err != nil {
			p, _ := problemOf(err)
			answer.Error = &p
			break
		}
	}
	return answer, nil
}

// configAnswer is the configuration, and who set it when.
type configAnswer struct {
	head
	Config  lease.Config `json:"config"`
	Changed *occurrence  `json:"changed,omitempty"` // nil: it is not in the history
	May     []Action     `json:"may"`
}

// config serves the namespace's configuration.
func (h *handler) config(r *http.Request) (any, error) {
	session, leave, err := h.feed.use(r.Context())
	if err != nil {
		return nil, err
	}
	defer leave()
	config, err := h.manager.Config(r.Context())
	if err != nil {
		return nil, err
	}
	answer := configAnswer{head: session.mirror.snapshot().head, Config: config, May: h.may(r)}
	if config.Version > 1 {
		changes, err := newest(r.Context(), h.manager, lease.Query{Kinds: []lease.Kind{lease.KindConfig}}, 1)
		if err != nil {
			return nil, err
		}
		if len(changes.Events) > 0 {
			answer.Changed = &changes.Events[0]
		}
	}
	return answer, nil
}

// setConfig changes the settings that it is given, in the version that it is
// given, and leaves the others.
func (h *handler) setConfig(r *http.Request) (any, error) {
	var given map[string]json.RawMessage
	if err := decode(r, &given); err != nil {
		return nil, err
	}
	current, err := h.manager.Config(r.Context())
	if err != nil {
		return nil, err
	}
	if given["version"] == nil {
		return nil, lease.Invalid("version", "missing: send that of the configuration you changed")
	}
	config, err := merged(current, given)
	if err != nil {
		return nil, err
	}
	if config.Version != current.Version {
		return nil, lease.ErrVersion
	}
	return h.manager.SetConfig(r.Context(), config)
}

// merged returns the configuration with the given settings.
func merged(current lease.Config, given map[string]json.RawMessage) (lease.Config, error) {
	text, err := json.Marshal(current)
	if err != nil {
		return current, err
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		return current, err
	}
	for name, value := range given {
		if _, ok := all[name]; !ok {
			return current, lease.Invalid(name, "no such setting")
		}
		if string(value) == "null" {
			return current, lease.Invalid(name, "no value")
		}
		all[name] = value
	}
	if text, err = json.Marshal(all); err != nil {
		return current, err
	}
	var config lease.Config
	if err := json.Unmarshal(text, &config); err != nil {
		return current, lease.Invalid("config", "%v", err)
	}
	return config, nil
}

// decode reads the JSON that a request sends.
func decode(r *http.Request, value any) error {
	d := json.NewDecoder(http.MaxBytesReader(nil, r.Body, longestBody))
	if err := d.Decode(value); err != nil {
		var long *http.MaxBytesError
		if errors.As(err, &long) {
			return lease.Invalid("body", "more than %d bytes", long.Limit)
		}
		return lease.Invalid("body", "%v", err)
	}
	return nil
}
