package view_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/view"
)

type named struct {
	ID     lease.ID `json:"id"`
	Holder string   `json:"holder"`
}

type order struct {
	Leases []named `json:"leases"`
	Reason string  `json:"reason"`
}

func TestForceRelease(t *testing.T) {
	onAll(t, func(t *testing.T, m lease.Manager) {
		h := handler(t, m, view.Options{Allow: anybody, Actor: func(*http.Request) string { return "operator" }})
		a := acquire(t, m, "ann", lease.Paths("a"))
		b := acquire(t, m, "ann", lease.Trees("b"))
		acquire(t, m, "bob", lease.Paths("c"))
		w, _ := wait(t, m, "ann", lease.Paths("c"))

		var preview struct {
			Rows []line
			More bool
		}
		get(t, h, "/api/force-release?holder=ann", &preview)
		require.False(t, preview.More)
		require.Len(t, preview.Rows, 3)
		// What comes after the look is not ended with it.
		later := acquire(t, m, "ann", lease.Paths("later"))

		var o order
		for _, r := range preview.Rows {
			o.Leases = append(o.Leases, named{r.ID, r.Holder})
		}
		o.Reason = " stuck "
		status, body := post(t, h, "/api/force-release", o)
		require.Equal(t, http.StatusOK, status, body)
		var answer struct{ Ended []line }
		require.NoError(t, json.Unmarshal([]byte(body), &answer))
		require.Len(t, answer.Ended, 3)

		_, err := m.Renew(t.Context(), a.Ref(), 0)
		require.ErrorIs(t, err, lease.ErrRevoked)
		var lost *lease.LostError
		require.ErrorAs(t, err, &lost)
		require.Equal(t, "operator", lost.Actor)
		require.Equal(t, "stuck", lost.Reason)
		_, err = m.Renew(t.Context(), b.Ref(), 0)
		require.ErrorIs(t, err, lease.ErrRevoked)
		_, err = m.Renew(t.Context(), later.Ref(), 0)
		require.NoError(t, err)
		ended, err := m.Get(t.Context(), w)
		if err == nil {
			require.Equal(t, lease.Failed, ended.Status)
		}

		// Ending what has ended changes nothing, and says so.
		status, body = post(t, h, "/api/force-release", order{Leases: []named{{a.ID, "ann"}}, Reason: "again"})
		require.Equal(t, http.StatusOK, status)
		require.JSONEq(t, `{"ended":[]}`, body)
		// Nor does an ID that is somebody else's by now.
		status, body = post(t, h, "/api/force-release", order{Leases: []named{{later.ID, "bob"}}, Reason: "wrong"})
		require.Equal(t, http.StatusOK, status)
		require.JSONEq(t, `{"ended":[]}`, body)
	})
}

func TestActionsAreRefused(t *testing.T) {
	m := memory.New(nil)
	defer m.Close()
	l := acquire(t, m, "ann", lease.Paths("a"))
	good := order{Leases: []named{{l.ID, "ann"}}, Reason: "because"}
	set := func(key, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(key, value) }
	}
	open := handler(t, m, view.Options{Allow: anybody})
	closed := handler(t, m, view.Options{})
	looksOnly := handler(t, m, view.Options{Allow: func(_ *http.Request, a view.Action) bool { return a == view.SetConfig }})

	for name, refused := range map[string]struct {
		h      http.Handler
		status int
		body   any
		change []func(*http.Request)
	}{
		"nothing is allowed":   {closed, http.StatusForbidden, good, nil},
		"this is not allowed":  {looksOnly, http.StatusForbidden, good, nil},
		"another site":         {open, http.StatusForbidden, good, []func(*http.Request){set("Sec-Fetch-Site", "cross-site")}},
		"a neighbour":          {open, http.StatusForbidden, good, []func(*http.Request){set("Sec-Fetch-Site", "same-site")}},
		"an older browser":     {open, http.StatusForbidden, good, []func(*http.Request){set("Sec-Fetch-Site", ""), set("Origin", "https://evil.example")}},
		"a form":               {open, http.StatusUnsupportedMediaType, good, []func(*http.Request){set("Content-Type", "text/plain")}},
		"a form of parts":      {open, http.StatusUnsupportedMediaType, good, []func(*http.Request){set("Content-Type", "multipart/form-data; boundary=application/json")}},
		"no reason":            {open, http.StatusBadRequest, order{Leases: good.Leases, Reason: " \t"}, nil},
		"a reason too long":    {open, http.StatusBadRequest, order{Leases: good.Leases, Reason: strings.Repeat("x", 2000)}, nil},
		"nobody":               {open, http.StatusBadRequest, order{Reason: "because"}, nil},
		"no holder":            {open, http.StatusBadRequest, order{Leases: []named{{ID: l.ID}}, Reason: "because"}, nil},
		"too many":             {open, http.StatusBadRequest, order{Leases: make([]named, 201), Reason: "because"}, nil},
		"a body that is long":  {open, http.StatusBadRequest, order{Leases: good.Leases, Reason: strings.Repeat("x", 1<<20)}, nil},
		"a body of other form": {open, http.StatusBadRequest, []int{1}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			status, body := post(t, refused.h, "/api/force-release", refused.body, refused.change...)
			require.Equal(t, refused.status, status, body)
			_, err := m.Renew(t.Context(), l.Ref(), 0)
			require.NoError(t, err, "the lease is still there")
		})
	}
	r := httptest.NewRequest(http.MethodGet, "/api/force-release?holder=ann&reason=x", http.NoBody)
	status, _ := fetch(t, open, r)
	require.Equal(t, http.StatusOK, status)
	_, err := m.Renew(t.Context(), l.Ref(), 0)
	require.NoError(t, err, "to look ends nothing")
}

func TestSetConfig(t *testing.T) {
	onAll(t, func(t *testing.T, m lease.Manager) {
		h := handler(t, m, view.Options{Allow: anybody})
		var before struct {
			Config lease.Config
			May    []string
		}
		get(t, h, "/api/config", &before)
		require.Equal(t, lease.DefaultConfig().WaiterTTL, before.Config.WaiterTTL)
		require.Equal(t, []string{"force-release", "set-config"}, before.May)

		version := before.Config.Version
		status, body := post(t, h, "/api/config", map[string]any{"version": version, "waiter_ttl": "7s", "deadlock_check": false})
		require.Equal(t, http.StatusOK, status, body)
		after, err := m.Config(t.Context())
		require.NoError(t, err)
		want := before.Config
		want.WaiterTTL, want.DeadlockCheck, want.Version = 7e9, false, version+1
		require.Equal(t, want, after)

		for _, bad := range []map[string]any{
			{"version": version, "waiter_ttl": "8s"},
		} {
			status, _ = post(t, h, "/api/config", bad)
			require.Equal(t, http.StatusConflict, status)
		}
		for _, bad := range []map[string]any{
			{"waiter_ttl": "8s"},
			{"version": version + 1, "waiter_ttl": "8 apples"},
			{"version": version + 1, "waiter_ttl": nil},
			{"version": version + 1, "waiter_ttl": "1ns"},
			{"version": version + 1, "no_such": 1},
			{"version": version + 1, "history": "yes"},
		} {
			status, body = post(t, h, "/api/config", bad)
			require.Equal(t, http.StatusBadRequest, status, "%v: %s", bad, body)
		}
		unchanged, err := m.Config(t.Context())
		require.NoError(t, err)
		require.Equal(t, after, unchanged)

		var changed struct {
			Changed struct{ Kind lease.Kind }
		}
		get(t, h, "/api/config", &changed)
		require.Equal(t, lease.KindConfig, changed.Changed.Kind)
	})
}
