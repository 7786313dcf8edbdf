package sqlitebackend

import (
	"context"
	"database/sql"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/leasekit/leasekit/backend"
	"github.com/leasekit/leasekit/lease"
)

// queries collects what Bun sends.
type queries struct {
	mutex sync.Mutex
	texts map[string]bool
}

func (q *queries) BeforeQuery(ctx context.Context, event *bun.QueryEvent) context.Context {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	q.texts[event.Query] = true
	return ctx
}

func (q *queries) AfterQuery(context.Context, *bun.QueryEvent) {}

// everything makes a store run every statement that it has.
func everything(t testing.TB, m lease.Manager) {
	ctx := t.Context()
	request := func(holder string, claims []lease.Claim) lease.Request {
		return lease.Request{Holder: holder, Claims: claims, TTL: time.Hour, Labels: map[string]string{"why": "test"}}
	}
	acquire := func(r lease.Request) lease.Lease {
		l, err := m.TryAcquire(ctx, r)
		require.NoError(t, err)
		return l
	}
	wait := func(r lease.Request) {
		r.ID, r.QueueTTL = lease.NewID(), time.Hour
		_, err := m.TryAcquire(ctx, r)
		require.ErrorIs(t, err, lease.ErrConflict)
	}
	file := acquire(request("a", lease.Paths("src/lib/file")))
	other := acquire(request("z", lease.Paths("elsewhere")))
	wait(request("b", lease.Paths("src/lib/file", "src/other")))
	wait(request("b", lease.SharedPaths("src/lib/file")))
	wait(request("c", lease.Trees("src")))
	wait(request("c", lease.SharedTrees("src")))
	wait(request("d", lease.Trees("/")))
	_, err := m.TryAcquire(ctx, request("e", lease.Paths("src/lib/file")))
	require.ErrorIs(t, err, lease.ErrConflict)
	_, err = m.Renew(ctx, file.Ref(), 0)
	require.NoError(t, err)
	_, err = m.Renew(ctx, file.Ref(), time.Minute)
	require.NoError(t, err)
	more := request("a", lease.Paths("src/lib/file", "src/lib/more"))
	more.Replace = file.Ref()
	file = acquire(more)
	upgrade := request("z", lease.Paths("src/lib/file"))
	upgrade.Replace = other.Ref()
	wait(upgrade)
	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	_, err = m.Acquire(short, request("e", lease.Paths("src/lib/file")))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	cancel()
	_, err = m.TryAcquire(ctx, request("e", lease.Paths("src/lib/file"))) // asks for tombstones
	require.ErrorIs(t, err, lease.ErrConflict)
	require.NoError(t, m.Release(ctx, file.Ref()))
	_, err = m.ForceRelease(ctx, lease.Query{All: true}, lease.Revocation{Actor: "test"})
	require.NoError(t, err)

	again := request("f", lease.Paths("fixed"))
	again.ID = lease.NewID()
	require.NoError(t, m.Release(ctx, acquire(again).Ref()))
	for _, q := range []lease.Query{
		{All: true}, {ID: again.ID}, {Holder: "b"}, {Path: "src/lib/file"}, {Under: "src"}, {Under: "/"},
		{Status: []lease.Status{lease.Released}}, {Status: []lease.Status{lease.Released}, Holder: "b"},
		{Holder: "b", Path: "src/other"},
		{Kinds: []lease.Kind{lease.KindGranted}}, {After: 3, Path: "src"},
	} {
		for _, err := range m.List(ctx, q) {
			require.NoError(t, err)
		}
		for _, err := range m.History(ctx, q) {
			require.NoError(t, err)
		}
	}
	_, err = m.Get(ctx, acquire(request("g", lease.Paths("got"))).ID)
	require.NoError(t, err)
	_, err = m.Stats(ctx)
	require.NoError(t, err)
	config, err := m.Config(ctx)
	require.NoError(t, err)
	config.MaxLeasesPerHolder, config.HistoryMaxEvents = 1000, 5
	_, err = m.SetConfig(ctx, config)
	require.NoError(t, err)
	acquire(request("h", lease.Paths("quota")))
	for _, q := range []lease.Query{{ID: "none"}, {Path: "quota"}, {Under: "src/lib"}, {Holder: "b"}, {All: true}} {
		_, err = m.ForceRelease(ctx, q, lease.Revocation{Actor: "test"})
		require.NoError(t, err)
	}
	_, err = m.Sweep(ctx)
	require.NoError(t, err)
}

// Every statement finds its rows by an index. Without statistics SQLite guesses
// which, and has guessed wrong.
func TestPlans(t *testing.T) {
	s, err := OpenStore(t.Context(), newPath(t), nil)
	require.NoError(t, err)
	reads := &queries{texts: make(map[string]bool)}
	s.reader = s.reader.WithQueryHook(reads)
	m := backend.New(s, nil)
	defer func() { require.NoError(t, m.Close()) }()
	everything(t, m)

	texts := []string{
		leasesOverMany, leasesOfMany, firstOverMany, firstOfMany, waitersMany,
		shape{of: leasesInOrder, above: 1}.text(lease.Claim{Path: "a/b"}), shape{of: leasesInOrder, only: true}.text(lease.Claim{Path: "a", Scope: lease.Tree}), loadView, countTotals, oldestEvent, hintsAfter, readConfig,
	}
	for text := range reads.texts {
		texts = append(texts, text)
	}
	texts = append(texts, s.writer.Statements()...)
	require.Greater(t, len(texts), 50)

	for _, text := range texts {
		switch verb, _, _ := strings.Cut(strings.Join(strings.Fields(text), " "), " "); verb {
		case "SELECT", "INSERT", "UPDATE", "DELETE":
		case "BEGIN", "COMMIT", "ROLLBACK", "PRAGMA":
			continue
		default:
			t.Errorf("unknown statement: %s", text)
		}
		for _, step := range plan(t, s, text) {
			switch {
			case strings.HasPrefix(step, "SCAN") && !strings.HasPrefix(step, "SCAN json_each") && !strings.HasPrefix(step, "SCAN (subquery") && step != "SCAN CONSTANT ROW" &&
				!strings.HasSuffix(step, "-ROW VALUES CLAUSE"):
				t.Errorf("%s\n  in the plan of\n%s", step, text)
			case strings.Contains(step, "USE TEMP B-TREE") && !sorts(text):
				t.Errorf("%s\n  in the plan of\n%s", step, text)
			case strings.Contains(step, "(rowid>?)"):
				t.Errorf("%s\n  looks at other namespaces too, in the plan of\n%s", step, text)
			case (strings.Contains(step, "(namespace=?)") || strings.Contains(step, "(rowid>? AND rowid<?)")) && !pages(text):
				t.Errorf("%s\n  looks at the whole namespace, in the plan of\n%s", step, text)
			}
		}
	}
}

// sorts reports whether the statement means to sort what it finds: the waiters
// below a tree, those of one holder or for one lease, what is due in the same
// millisecond, and the leases in the way if they are many. On the way of exact
// paths nothing is sorted.
func sorts(text string) bool {
	return strings.Contains(text, "path > ?4") || strings.Contains(text, "leases_holder") ||
		strings.Contains(text, "leases_replace") || strings.HasPrefix(text, "SELECT * FROM (") || strings.Contains(text, "leases_deadline")
}

// pages reports whether the statement means to go through the namespace in the
// order of a key, by pages, or only to its first row.
func pages(text string) bool {
	if strings.Contains(text, "min(place)") || strings.Contains(text, "(true AND holder =") { // a holder's, ended ones too
		return true
	}
	for _, selective := range []string{"id =", "arrival IN", "holder ="} {
		if strings.Contains(text, selective) {
			return false
		}
	}
	return strings.Contains(text, "LIMIT")
}

// plan returns the steps of EXPLAIN QUERY PLAN.
func plan(t testing.TB, s *Store, text string) []string {
	t.Helper()
	connection, err := s.reader.DB.Conn(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, connection.Close()) }()
	statement, err := connection.PrepareContext(t.Context(), "EXPLAIN QUERY PLAN "+text)
	require.NoError(t, err, text)
	defer func() { require.NoError(t, statement.Close()) }()
	arguments := make([]any, 300) // more than any statement has
	var rows *sql.Rows
	for n := range arguments {
		if rows, err = statement.Query(arguments[:n]...); err == nil {
			break
		}
	}
	require.NoError(t, err, text)
	defer func() { require.NoError(t, rows.Close()) }()
	var steps []string
	for rows.Next() {
		var id, parent, unused int
		var step string
		require.NoError(t, rows.Scan(&id, &parent, &unused, &step))
		steps = append(steps, step)
	}
	require.NoError(t, rows.Err())
	return steps
}
