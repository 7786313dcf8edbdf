package view_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/view"
)

func TestNow(t *testing.T) {
	onAll(t, func(t *testing.T, m lease.Manager) {
		h := handler(t, m, view.Options{})
		require.Empty(t, now(t, h, "").Rows)
		a := acquire(t, m, "ann", lease.Trees("src/net"))
		acquire(t, m, "bob", lease.SharedPaths("README.md"))
		w, _ := wait(t, m, "cid", lease.Paths("src/net/http.go"))

		s := eventually(t, h, "view=tree", func(s state) bool { return s.Active == 2 && s.Pending == 1 })
		require.Equal(t, 4, s.Total)
		require.Equal(t, []string{"README.md", "src/net/", ".", "http.go"}, names(s.Rows))
		require.Equal(t, line{Kind: "dir", Path: "src/net", Name: "src/net/", Mode: "exclusive", Scope: "exact", Open: true, Held: 1, Waiting: 1}, s.Rows[1])
		require.Equal(t, line{Kind: "lease", Path: "src/net", Name: ".", Holder: "ann", ID: a.ID, Mode: "exclusive", Scope: "tree", Depth: 1, Waiters: 1}, s.Rows[2])
		require.Equal(t, line{Kind: "waiter", Path: "src/net/http.go", Name: "http.go", Holder: "cid", ID: w, Mode: "exclusive", Scope: "exact", Depth: 1, Position: 1}, s.Rows[3])

		require.NoError(t, m.Release(t.Context(), a.Ref()))
		eventually(t, h, "view=list&state=held", func(s state) bool { return s.Total == 1 && s.Rows[0].Holder == "bob" })
	})
}

func names(rows []line) []string {
	var all []string
	for _, r := range rows {
		all = append(all, r.Name)
	}
	return all
}

func TestListSortsFiltersAndPages(t *testing.T) {
	m := memory.New(nil)
	defer m.Close()
	h := handler(t, m, view.Options{})
	for i := range 25 {
		_, err := m.TryAcquire(t.Context(), lease.Request{
			Holder: fmt.Sprintf("agent-%02d", i%5), Claims: lease.Paths(fmt.Sprintf("d%d/f%02d", i%3, 24-i)), TTL: time.Duration(100-i) * time.Minute,
			Labels: map[string]string{"Branch": fmt.Sprintf("Topic-%d", i)},
		})
		require.NoError(t, err)
	}
	_, _ = wait(t, m, "waiter", lease.Paths("d0/f24"))

	list := func(query string) []line { return now(t, h, "view=list&"+query).Rows }
	require.Equal(t, "d0/f00", list("sort=path")[0].Path)
	require.Equal(t, "d2/f22", list("sort=path&order=down")[0].Path)
	require.Equal(t, "d0/f24", list("sort=since")[0].Path)
	require.Equal(t, "d0/f00", list("sort=expires")[0].Path)
	require.Equal(t, "waiter", list("sort=expires")[25].Kind)
	require.Equal(t, "d0/f24", list("sort=waiters")[0].Path)
	require.Equal(t, "waiter", list("sort=holder&order=down")[0].Holder)
	require.Len(t, list("holder=agent-03"), 5)
	require.Len(t, list("q=topic-7"), 1)
	require.Len(t, list("q=D1/+AGENT-01"), 2)
	require.Len(t, list("state=waiting"), 1)
	require.Len(t, list("state=blocking"), 1)

	var paged []line
	for offset := 0; ; offset += 4 {
		s := now(t, h, fmt.Sprintf("view=list&sort=path&offset=%d&limit=4", offset))
		require.Equal(t, 26, s.Total)
		if len(s.Rows) == 0 {
			break
		}
		paged = append(paged, s.Rows...)
	}
	require.Equal(t, list("sort=path"), paged)
}

func TestPrefixesAndHeaders(t *testing.T) {
	m := memory.New(nil)
	defer m.Close()
	h := handler(t, m, view.Options{Title: `<script>alert("x")</script>`})
	mux := http.NewServeMux()
	mux.Handle("/a/b/", http.StripPrefix("/a/b", h))
	mux.Handle("/a/b", http.StripPrefix("/a/b", h))
	mux.Handle("/", h)
	for _, prefix := range []string{"", "/a/b"} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, prefix+"/", http.NoBody))
		require.Equal(t, http.StatusOK, w.Code)
		require.NotContains(t, w.Body.String(), "<script>alert")
		require.NotContains(t, w.Body.String(), "style=")
		require.NotRegexp(t, `(src|href)="/`, w.Body.String(), "every address is relative")
		policy := w.Header().Get("Content-Security-Policy")
		require.Contains(t, policy, "default-src 'none'")
		require.NotContains(t, policy, "unsafe")

		w = httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, prefix+"/page/js/app.js", http.NoBody))
		require.Equal(t, http.StatusOK, w.Code)
		require.Contains(t, w.Header().Get("Content-Type"), "text/javascript")
		again := httptest.NewRequest(http.MethodGet, prefix+"/page/js/app.js", http.NoBody)
		again.Header.Set("If-None-Match", w.Header().Get("ETag"))
		w = httptest.NewRecorder()
		mux.ServeHTTP(w, again)
		require.Equal(t, http.StatusNotModified, w.Code)
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/a/b?x=1", http.NoBody))
	require.Equal(t, http.StatusTemporaryRedirect, w.Code)
	require.Equal(t, "b/", w.Header().Get("Location"))

	for _, missing := range []string{"/page/", "/page/js", "/page/index.html", "/page/../handler.go", "/page/js/none.js", "/api/none", "/index.html"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, missing, http.NoBody))
		require.NotEqual(t, http.StatusOK, w.Code, missing)
	}
}

func TestHostileNames(t *testing.T) {
	onAll(t, func(t *testing.T, m lease.Manager) {
		h := handler(t, m, view.Options{})
		labels := map[string]string{}
		for i := range 50 {
			labels[fmt.Sprintf("key-%02d<b>", i)] = strings.Repeat("</script>", 10)
		}
		long := strings.TrimSuffix(strings.Repeat(strings.Repeat("ü", 60)+"/", 33), "/")
		for i, path := range []string{`<script>alert(1)</script>`, "\u202egnp.exe", "a\nb\r\tc", `"'&{{.}}`, long, strings.Repeat("x/", 127) + "y", "/"} {
			_, err := m.TryAcquire(t.Context(), lease.Request{
				Holder: fmt.Sprintf("<img src=x onerror=alert(%d)>\u2066", i), Claims: lease.Paths(path), TTL: time.Minute, Labels: labels,
			})
			require.NoError(t, err)
		}
		s := now(t, h, "view=list")
		require.Len(t, s.Rows, 7)
		for _, r := range s.Rows {
			require.LessOrEqual(t, len(r.Path), 600)
			var l struct{ Lease lease.Lease }
			get(t, h, "/api/lease?id="+string(r.ID), &l)
			require.Equal(t, labels, l.Lease.Labels)
			require.Zero(t, l.Lease.Token)
			var p struct{ Rows []line }
			get(t, h, "/api/path?path="+escape(l.Lease.Claims[0].Path), &p)
			require.NotEmpty(t, p.Rows)
		}
		require.Equal(t, 7, now(t, h, "view=tree&limit=500").Active)
		for _, url := range []string{"/api/now", "/api/events", "/api/timeline", "/api/hot", "/api/waits"} {
			_, body := fetch(t, h, httptest.NewRequest(http.MethodGet, url, http.NoBody))
			require.NotContains(t, string(body), "<script", "JSON that is read as HTML does nothing")
			require.NotContains(t, string(body), `"token"`)
		}
	})
}

func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, "%%%02X", s[i])
	}
	return b.String()
}

func TestBadParameters(t *testing.T) {
	m := memory.New(nil)
	defer m.Close()
	h := handler(t, m, view.Options{})
	for _, url := range []string{
		"/api/now?offset=-1", "/api/now?limit=x", "/api/now?sort=none", "/api/now?view=none", "/api/now?state=none", "/api/now?open=..",
		"/api/path", "/api/path?path=..", "/api/path?path=%ff%fe", "/api/lease", "/api/waits?offset=1e9", "/api/hot?seconds=NaN",
		"/api/now?q=" + strings.Repeat("x", 10000), "/api/force-release",
	} {
		status, body := fetch(t, h, httptest.NewRequest(http.MethodGet, url, http.NoBody))
		require.Equal(t, http.StatusBadRequest, status, url)
		require.Contains(t, string(body), `"code":"invalid"`, url)
	}
	status, _ := fetch(t, h, httptest.NewRequest(http.MethodGet, "/api/lease?id=none", http.NoBody))
	require.Equal(t, http.StatusNotFound, status)
	status, _ = fetch(t, h, httptest.NewRequest(http.MethodDelete, "/api/now", http.NoBody))
	require.Equal(t, http.StatusMethodNotAllowed, status)
}

func TestLeaseAndPath(t *testing.T) {
	onAll(t, func(t *testing.T, m lease.Manager) {
		h := handler(t, m, view.Options{})
		first := acquire(t, m, "ann", lease.Paths("a/b"))
		w, _ := wait(t, m, "bob", lease.Paths("a/b"))
		_, err := m.Renew(t.Context(), first.Ref(), 0)
		require.NoError(t, err)
		eventually(t, h, "", func(s state) bool { return s.Pending == 1 })

		type detail struct {
			Lease       *lease.Lease
			Position    int
			WaitsFor    []struct{ To string }   `json:"waits_for"`
			WaitedForBy []struct{ From string } `json:"waited_for_by"`
			History     struct{ Events []struct{ Kind lease.Kind } }
		}
		var d detail
		get(t, h, "/api/lease?id="+string(first.ID), &d)
		require.Equal(t, lease.Active, d.Lease.Status)
		require.Equal(t, 1, d.Lease.Renewals)
		require.Equal(t, "bob", d.WaitedForBy[0].From)
		require.Equal(t, lease.KindRenewed, d.History.Events[0].Kind)
		require.Equal(t, lease.KindGranted, d.History.Events[1].Kind)
		d = detail{}
		get(t, h, "/api/lease?id="+string(w), &d)
		require.Equal(t, "ann", d.WaitsFor[0].To)
		require.Equal(t, 1, d.Position)

		require.NoError(t, m.Release(t.Context(), first.Ref()))
		var p struct {
			Rows    []line
			History struct {
				Events []struct {
					Kind lease.Kind
					ID   lease.ID
				}
			}
		}
		require.Eventually(t, func() bool {
			get(t, h, "/api/path?path=a/b", &p)
			return len(p.Rows) == 1
		}, 10*time.Second, 10*time.Millisecond)
		require.Equal(t, first.ID, p.History.Events[0].ID)
		require.Equal(t, lease.KindReleased, p.History.Events[0].Kind)
		require.Len(t, p.History.Events, 4)
	})
}

func TestStoreThatIsClosed(t *testing.T) {
	m := memory.New(nil)
	require.NoError(t, m.Close())
	h := handler(t, m, view.Options{})
	status, body := fetch(t, h, httptest.NewRequest(http.MethodGet, "/api/now", http.NoBody))
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Contains(t, string(body), `"code":"closed"`)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", http.NoBody))
	require.Equal(t, http.StatusOK, w.Code, "the page itself needs no store")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	open := memory.New(nil)
	defer open.Close()
	h = handler(t, open, view.Options{Context: ctx})
	status, _ = fetch(t, h, httptest.NewRequest(http.MethodGet, "/api/now", http.NoBody))
	require.Equal(t, http.StatusServiceUnavailable, status)
}
