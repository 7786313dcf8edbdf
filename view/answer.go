package view

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/leasekit/leasekit/lease"
)

// problem is the JSON form of an error.
type problem struct {
	Code  string `json:"code"`  // "invalid", "not_found", "unavailable", ...
	Error string `json:"error"` // for people
}

// codes are the errors that a client may want to tell apart.
var codes = []struct {
	err    error
	code   string
	status int
}{
	{lease.ErrInvalid, "invalid", http.StatusBadRequest},
	{errForbidden, "forbidden", http.StatusForbidden},
	{errMediaType, "media_type", http.StatusUnsupportedMediaType},
	{lease.ErrNotFound, "not_found", http.StatusNotFound},
	{lease.ErrVersion, "version", http.StatusConflict},
	{lease.ErrClosed, "closed", http.StatusServiceUnavailable},
	{lease.ErrUnavailable, "unavailable", http.StatusServiceUnavailable},
}

var (
	errForbidden = errors.New("not allowed")
	errMediaType = errors.New("send application/json")
)

// reading serves what f returns as JSON.
func (h *handler) reading(f func(r *http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		value, err := f(r)
		answer(w, value, err)
	}
}

// acting is reading for what changes something: from the same origin, as JSON,
// which no form can send, and allowed.
func (h *handler) acting(a Action, f func(r *http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		value, err := func() (any, error) {
			if err := h.origin.Check(r); err != nil {
				return nil, fmt.Errorf("%w: %w", errForbidden, err)
			}
			kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
			if strings.TrimSpace(kind) != "application/json" {
				return nil, errMediaType
			}
			if h.options.Allow == nil || !h.options.Allow(r, a) {
				return nil, fmt.Errorf("%w: %s", errForbidden, a)
			}
			return f(r)
		}()
		answer(w, value, err)
	}
}

func answer(w http.ResponseWriter, value any, err error) {
	status := http.StatusOK
	if err != nil {
		var p problem
		p, status = problemOf(err)
		value = p
	}
	body, err := json.Marshal(value)
	if err != nil {
		status = http.StatusInternalServerError
		body, _ = json.Marshal(problem{Code: "internal", Error: err.Error()}) // two strings: it cannot fail
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // who asked may have left
}

func problemOf(err error) (problem, int) {
	for _, c := range codes {
		if errors.Is(err, c.err) {
			return problem{Code: c.code, Error: err.Error()}, c.status
		}
	}
	return problem{Code: "internal", Error: err.Error()}, http.StatusInternalServerError
}

// parameters reads a request's query. The first bad value is kept.
type parameters struct {
	r   *http.Request
	err error
}

// longest is how long a parameter may be, in bytes: any path, with room.
const longest = 2 * lease.MaxPathBytes

func (p *parameters) text(name string) string {
	v := p.r.URL.Query().Get(name)
	if len(v) > longest {
		p.fail(lease.Invalid(name, "%d bytes, at most %d", len(v), longest))
		return ""
	}
	if !utf8.ValidString(v) {
		p.fail(lease.Invalid(name, "%q is not valid UTF-8", v))
		return ""
	}
	return v
}

// number returns a whole number between 0 and top, or normal if there is none.
func (p *parameters) number(name string, normal, top int) int {
	text := p.text(name)
	if text == "" {
		return normal
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		p.fail(lease.Invalid(name, "%q is no whole number of at least 0", text))
		return normal
	}
	return min(n, top)
}

// one returns one of the words, the first if there is none.
func (p *parameters) one(name string, words ...string) string {
	text := p.text(name)
	if text == "" {
		return words[0]
	}
	for _, w := range words {
		if w == text {
			return w
		}
	}
	p.fail(lease.Invalid(name, "%q, want one of %s", text, strings.Join(words, ", ")))
	return words[0]
}

// paths returns up to 1,000 paths in normal form.
func (p *parameters) paths(name string) map[string]bool {
	const most = 1000
	values := p.r.URL.Query()[name]
	if len(values) > most {
		p.fail(lease.Invalid(name, "%d given, at most %d", len(values), most))
		return nil
	}
	set := make(map[string]bool, len(values))
	for _, v := range values {
		clean, err := lease.CleanPath(v)
		if err != nil {
			p.fail(err)
			return nil
		}
		set[clean] = true
	}
	return set
}

func (p *parameters) fail(err error) {
	if p.err == nil {
		p.err = err
	}
}

// head is what each answer about the state begins with.
type head struct {
	Now     time.Time `json:"now"`     // the store's clock
	Version uint64    `json:"version"` // of the state, rising
	Active  int       `json:"active"`
	Pending int       `json:"pending"`
	// Incomplete: there is more in the store than the handler keeps a copy of.
	Incomplete bool `json:"incomplete,omitzero"`
}

func cutQuery(uri string) (before, after string, found bool) { return strings.Cut(uri, "?") }
