package view_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/view"
)

// FuzzQuery asks for everything with any parameters: the answer is JSON, and an
// error only if the parameters are wrong or name nothing.
func FuzzQuery(f *testing.F) {
	m := memory.New(nil)
	f.Cleanup(func() { m.Close() })
	if _, err := m.TryAcquire(f.Context(), lease.Request{Holder: "ann", Claims: lease.Trees("a/b", "<c>"), TTL: time.Hour}); err != nil {
		f.Fatal(err)
	}
	h := view.Handler(m, &view.Options{Context: f.Context()})
	endpoints := []string{"now", "waits", "timeline", "hot", "events", "path", "lease", "config", "force-release"}
	f.Add(uint8(0), "view=list&sort=expires&order=down&offset=3&limit=7&q=a+b&state=held&holder=ann")
	f.Add(uint8(0), "open=a&open=a/b&shut=..&view=tree")
	f.Add(uint8(2), "seconds=99999999999999999999&limit=-1")
	f.Add(uint8(5), "path=%2e%2e&path=a")
	f.Add(uint8(6), "id=%00%ff")
	f.Add(uint8(8), "under=/&holder=%e2%80%ae")
	f.Fuzz(func(t *testing.T, endpoint uint8, query string) {
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		r.URL = &url.URL{Path: "/api/" + endpoints[int(endpoint)%len(endpoints)], RawQuery: query}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		switch w.Code {
		case http.StatusOK, http.StatusBadRequest, http.StatusNotFound:
		default:
			t.Fatalf("%s: %d %s", r.URL, w.Code, w.Body)
		}
		if !json.Valid(w.Body.Bytes()) {
			t.Fatalf("%s: %s", r.URL, w.Body)
		}
	})
}

// FuzzActions sends anything as an action: the answer is JSON, and only a
// well-formed order that names the lease ends it.
func FuzzActions(f *testing.F) {
	m := memory.New(nil)
	f.Cleanup(func() { m.Close() })
	h := view.Handler(m, &view.Options{Context: f.Context(), Allow: anybody})
	l, err := m.TryAcquire(f.Context(), lease.Request{Holder: "ann", Claims: lease.Paths("a"), TTL: time.Hour})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(false, []byte(`{"leases":[{"id":"x","holder":"y"}],"reason":"z"}`))
	f.Add(false, []byte(`{"leases":[{"id":"*","holder":"*"}],"reason":"\u0000"}`))
	f.Add(true, []byte(`{"version":1,"waiter_ttl":"1s","history":null}`))
	f.Add(true, []byte(`{"version":-1}`))
	f.Fuzz(func(t *testing.T, config bool, body []byte) {
		url := "/api/force-release"
		if config {
			url = "/api/config"
		}
		r := httptest.NewRequest(http.MethodPost, url, bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		switch w.Code {
		case http.StatusOK, http.StatusBadRequest, http.StatusConflict:
		default:
			t.Fatalf("%q: %d %s", body, w.Code, w.Body)
		}
		if !json.Valid(w.Body.Bytes()) {
			t.Fatalf("%q: %s", body, w.Body)
		}
		if now, err := m.Get(t.Context(), l.ID); err != nil || now.Status != lease.Active {
			t.Fatalf("%q ended the lease", body)
		}
	})
}
