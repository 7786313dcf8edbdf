package sqlitebackend

import (
	"context"
	"database/sql"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
)

// A database that cannot be used is refused with a typed error by Open as well,
// and is left as it was.
func TestOpenRefuses(t *testing.T) {
	folder := t.TempDir()
	text := filepath.Join(folder, "text.db")
	content := []byte(strings.Repeat("this is no database\n", 20))
	require.NoError(t, os.WriteFile(text, content, 0o600))
	newer := filepath.Join(folder, "newer.db")
	m, err := Open(t.Context(), newer, nil)
	require.NoError(t, err)
	require.NoError(t, m.Close())
	tamper(t, newer, `INSERT INTO lease_migrations (version, name, applied_at, status) VALUES (9999, 'later', 1, 'applied')`)

	for _, c := range []struct {
		name, path string
		options    *Options
		is         error
	}{
		{"no database", text, nil, ErrNotDatabase},
		{"no directory", filepath.Join(folder, "missing", "leases.db"), nil, fs.ErrNotExist},
		{"newer schema", newer, nil, ErrNewerSchema},
		{"namespace", filepath.Join(folder, "new.db"), &Options{Namespace: "a\xff"}, lease.ErrInvalid},
		{"synchronous", filepath.Join(folder, "new.db"), &Options{Synchronous: 9}, lease.ErrInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := Open(t.Context(), c.path, c.options)
			require.ErrorIs(t, err, c.is)
			require.Nil(t, m)
		})
	}
	after, err := os.ReadFile(text)
	require.NoError(t, err)
	require.Equal(t, content, after)
	require.NoFileExists(t, filepath.Join(folder, "new.db"))
}

// Arguments beyond every limit are ErrInvalid and change nothing in the file.
func TestBadArguments(t *testing.T) {
	path := newPath(t)
	m := mustManager(t, path, nil)
	good := lease.Request{Holder: "h", Claims: lease.Paths("a")}
	held, err := m.TryAcquire(t.Context(), good)
	require.NoError(t, err)
	before, err := m.Stats(t.Context())
	require.NoError(t, err)

	for name, change := range map[string]func(*lease.Request){
		"no holder":        func(r *lease.Request) { r.Holder = "" },
		"holder not UTF-8": func(r *lease.Request) { r.Holder = "\xff" },
		"holder with NUL":  func(r *lease.Request) { r.Holder = "a\x00b" },
		"long holder":      func(r *lease.Request) { r.Holder = strings.Repeat("h", lease.MaxHolderBytes+1) },
		"no claims":        func(r *lease.Request) { r.Claims = nil },
		"empty path":       func(r *lease.Request) { r.Claims = lease.Paths("") },
		"dots":             func(r *lease.Request) { r.Claims = lease.Paths("a/../b") },
		"path not UTF-8":   func(r *lease.Request) { r.Claims = lease.Paths("a/\xff") },
		"path with NUL":    func(r *lease.Request) { r.Claims = lease.Paths("a\x00") },
		"long path":        func(r *lease.Request) { r.Claims = lease.Paths(strings.Repeat("p", lease.MaxPathBytes+1)) },
		"deep path":        func(r *lease.Request) { r.Claims = lease.Paths(strings.Repeat("p/", lease.MaxPathDepth+1)) },
		"many claims":      func(r *lease.Request) { r.Claims = make([]lease.Claim, lease.MaxClaims+1) },
		"long ID":          func(r *lease.Request) { r.ID = lease.ID(strings.Repeat("i", lease.MaxIDBytes+1)) },
		"short TTL":        func(r *lease.Request) { r.TTL = time.Nanosecond },
		"negative TTL":     func(r *lease.Request) { r.TTL = -time.Second },
		"endless TTL":      func(r *lease.Request) { r.TTL = math.MaxInt64 },
		"priority":         func(r *lease.Request) { r.Priority = 101 },
		"no mode":          func(r *lease.Request) { r.Claims = []lease.Claim{{Path: "a", Mode: 7}} },
	} {
		t.Run(name, func(t *testing.T) {
			r := good
			change(&r)
			for _, acquire := range []func(context.Context, lease.Request) (lease.Lease, error){m.TryAcquire, m.Acquire} {
				_, err := acquire(t.Context(), r)
				require.ErrorIs(t, err, lease.ErrInvalid)
				var invalid *lease.InvalidError
				require.ErrorAs(t, err, &invalid)
				require.NotEmpty(t, invalid.Field)
			}
		})
	}
	_, err = m.Renew(t.Context(), held.Ref(), math.MaxInt64)
	require.ErrorIs(t, err, lease.ErrInvalid)
	after, err := m.Stats(t.Context())
	require.NoError(t, err)
	before.Now = after.Now
	require.Equal(t, before, after)
	checkFile(t, path)
}

// Text that SQL, Bun or JSON could misread is kept byte for byte, and nothing
// in it is taken for syntax.
func TestOddText(t *testing.T) {
	m := mustManager(t, newPath(t), nil)
	for _, odd := range []string{
		`it's`, `"quoted"`, "`back`", `a?b?0?1`, `%s%d`, `\`, "new\nline", "\ttab", "]]>", "é", "e\u0301", "\u2028", "\uFFFD",
		"\U0010FFFF", "🔒", "--", "; DROP TABLE leases", "{}", "?", "$1", ":name", "@name", strings.Repeat("?", 50),
	} {
		t.Run(odd, func(t *testing.T) {
			l, err := m.TryAcquire(t.Context(), lease.Request{
				ID: lease.ID("id-" + odd), Holder: odd, Claims: lease.Paths(odd + "/" + odd), Labels: map[string]string{odd: odd},
			})
			require.NoError(t, err)
			for _, q := range []lease.Query{{ID: l.ID}, {Holder: odd}, {Path: odd + "/" + odd}, {Under: odd}, {Under: "/", Holder: odd}} {
				var found []lease.Lease
				for listed, err := range m.List(t.Context(), q) {
					require.NoError(t, err)
					found = append(found, listed)
				}
				require.Len(t, found, 1, "%+v", q)
				require.Equal(t, l.Ref(), found[0].Ref())
				require.Equal(t, l.Claims, found[0].Claims)
				require.Equal(t, l.Labels, found[0].Labels)
				events := 0
				for e, err := range m.History(t.Context(), q) {
					require.NoError(t, err)
					require.Equal(t, l.ID, e.Lease.ID)
					events++
				}
				require.Equal(t, 1, events)
			}
			_, err = m.TryAcquire(t.Context(), lease.Request{Holder: "root", Claims: lease.Trees("/")})
			require.ErrorIs(t, err, lease.ErrConflict, "the tree covers it")
			require.NoError(t, m.Release(t.Context(), l.Ref()))
		})
	}
}

// Who deletes our counters would have old tokens handed out again: it is
// noticed, and nothing is granted.
func TestCountersDeleted(t *testing.T) {
	path := newPath(t)
	m := mustManager(t, path, nil)
	tamper(t, path, `DELETE FROM lease_counters`)
	_, err := m.TryAcquire(t.Context(), lease.Request{Holder: "h", Claims: lease.Paths("a")})
	require.ErrorIs(t, err, lease.ErrUnavailable)
	require.ErrorIs(t, err, errNamespaceGone)
}

// An old copy that is written over the file, as a restored backup, would have
// old tokens handed out again.
func TestTokensGoBackwards(t *testing.T) {
	path := newPath(t)
	m := mustManager(t, path, nil)
	l, err := m.TryAcquire(t.Context(), lease.Request{Holder: "h", Claims: lease.Paths("a")})
	require.NoError(t, err)
	_, err = m.Stats(t.Context())
	require.NoError(t, err)
	tamper(t, path, `UPDATE lease_counters SET token = token - 1`)
	_, err = m.TryAcquire(t.Context(), lease.Request{Holder: "h", Claims: lease.Paths("b")})
	require.ErrorIs(t, err, lease.ErrRegressed)
	_, err = m.Get(t.Context(), l.ID)
	require.ErrorIs(t, err, lease.ErrRegressed)
}

// tamper changes the file behind the store's back.
func tamper(t testing.TB, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.ToSlash(path)+"?_pragma=busy_timeout(5000)")
	require.NoError(t, err)
	_, err = db.Exec(statement)
	require.NoError(t, err)
	require.NoError(t, db.Close())
}
