package mcpserver_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/mcpserver"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/open"
	"github.com/leasekit/leasekit/lease"
)

// openStore opens the store of a tree, as one process would.
func openStore(t *testing.T, dir string) *open.Store {
	l, err := open.Locate(open.Options{Store: filepath.Join(dir, "leases.db"), Dir: dir})
	require.NoError(t, err)
	l.Root = l.Dir
	store, err := l.Open(t.Context(), nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return store
}

// client is a session with a server.
type client struct {
	*mcp.ClientSession
	t *testing.T
}

// connect starts a server for the holder and connects to it in memory.
func connect(t *testing.T, store *open.Store, holder string, o *mcp.ClientOptions) client {
	here, there := mcp.NewInMemoryTransports()
	server, err := mcpserver.New(store, holder).MCP(t.Context()).Connect(t.Context(), there, nil)
	require.NoError(t, err)
	session, err := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, o).Connect(t.Context(), here, nil)
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = session.Close()
		_ = server.Wait()
	})
	return client{session, t}
}

// call calls a tool and decodes what it returned; of an error the text.
func (c client) call(name string, in, out any) (problem string) {
	c.t.Helper()
	r, err := c.CallTool(c.t.Context(), &mcp.CallToolParams{Name: name, Arguments: in})
	require.NoError(c.t, err)
	return decode(c.t, r, out)
}

func decode(t *testing.T, r *mcp.CallToolResult, out any) (problem string) {
	t.Helper()
	if r.IsError {
		return r.Content[0].(*mcp.TextContent).Text
	}
	text, err := json.Marshal(r.StructuredContent)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, out))
	return ""
}

type args = map[string]any

// answer has the fields of all outputs that the tests look at.
type answer struct {
	Granted   bool
	Handle    string
	Holder    string
	Position  int
	Next      string
	Waited    float64 `json:"waited_seconds"`
	ExpiresIn int     `json:"expires_in_seconds"`
	Waiters   int
	InTheWay  []struct {
		Path, Held, Holder, Reason string
		Waiting                    bool
	} `json:"in_the_way"`
	Released []string
	Failed   []struct{ Handle, Code string }
}

func (c client) ask(name string, in args) answer {
	c.t.Helper()
	var out answer
	require.Empty(c.t, c.call(name, in, &out))
	return out
}

func TestClaimRefuseWaitRelease(t *testing.T) {
	store := openStore(t, t.TempDir())
	one, two := connect(t, store, "one", nil), connect(t, store, "two", nil)
	got := one.ask("claim_paths", args{"paths": []string{"src/a.go", "docs/"}, "reason": "rename  it\nall", "ttl_seconds": 60})
	require.True(t, got.Granted)
	require.Equal(t, "one", got.Holder)
	require.InDelta(t, 59, got.ExpiresIn, 1)

	// Two is refused, learns why, and has a place.
	refused := two.ask("claim_paths", args{"paths": []string{"docs/page.md"}})
	require.False(t, refused.Granted)
	require.Equal(t, 1, refused.Position)
	require.Len(t, refused.InTheWay, 1)
	require.Equal(t, "docs/page.md", refused.InTheWay[0].Path)
	require.Equal(t, "docs/**", refused.InTheWay[0].Held)
	require.Equal(t, "one", refused.InTheWay[0].Holder)
	require.Equal(t, "rename it all", refused.InTheWay[0].Reason)
	require.Contains(t, refused.Next, "wait_turn")

	// The wait is bounded, and keeps the place.
	began := time.Now()
	still := two.ask("wait_turn", args{"handle": refused.Handle, "wait_seconds": 1})
	require.False(t, still.Granted)
	require.Equal(t, refused.Handle, still.Handle)
	require.GreaterOrEqual(t, time.Since(began), 900*time.Millisecond)
	place, err := store.Get(t.Context(), idOf(refused.Handle))
	require.NoError(t, err)
	require.Equal(t, lease.Pending, place.Status)
	require.Greater(t, time.Until(place.ExpiresAt), 30*time.Second)

	require.Equal(t, 1, one.ask("extend_claim", args{"handle": got.Handle}).Waiters)
	done := make(chan answer)
	go func() { done <- two.ask("wait_turn", args{"handle": still.Handle, "wait_seconds": 50}) }()
	require.Equal(t, []string{got.Handle}, one.ask("release_paths", args{"handles": []string{got.Handle}}).Released)
	turn := <-done
	require.True(t, turn.Granted)
	require.Equal(t, "two", turn.Holder)
	require.NotEqual(t, refused.Handle, turn.Handle)

	// To wait for what is granted is to be told so.
	require.Equal(t, turn.Handle, two.ask("wait_turn", args{"handle": still.Handle}).Handle)

	// Releasing twice does no harm, and one failure does not keep the others.
	many := two.ask("release_paths", args{"handles": []string{"nonsense", turn.Handle, turn.Handle}})
	require.Equal(t, []string{turn.Handle, turn.Handle}, many.Released)
	require.Equal(t, "nonsense", many.Failed[0].Handle)
	require.Equal(t, "invalid", many.Failed[0].Code)
}

func idOf(handle string) lease.ID { return lease.ID(strings.Split(handle, "/")[1]) }

func TestAPlaceCanBeGivenUp(t *testing.T) {
	store := openStore(t, t.TempDir())
	one, two := connect(t, store, "one", nil), connect(t, store, "two", nil)
	one.ask("claim_paths", args{"paths": []string{"a"}})
	refused := two.ask("claim_paths", args{"paths": []string{"a"}})
	require.Len(t, two.ask("release_paths", args{"handles": []string{refused.Handle}}).Released, 1)
	var out answer
	require.Contains(t, two.call("wait_turn", args{"handle": refused.Handle, "wait_seconds": 1}, &out), "released")
	without := two.ask("claim_paths", args{"paths": []string{"a"}, "queue": false})
	require.Empty(t, without.Handle)
	require.Zero(t, without.Position)
}

// A call that the host gives up leaves the place in line.
func TestACancelledWaitKeepsThePlace(t *testing.T) {
	store := openStore(t, t.TempDir())
	one, two := connect(t, store, "one", nil), connect(t, store, "two", nil)
	held := one.ask("claim_paths", args{"paths": []string{"a"}})
	refused := two.ask("claim_paths", args{"paths": []string{"a"}})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := two.CallTool(ctx, &mcp.CallToolParams{Name: "wait_turn", Arguments: args{"handle": refused.Handle, "wait_seconds": 50}})
	require.Error(t, err)
	one.ask("release_paths", args{"handles": []string{held.Handle}})
	require.True(t, two.ask("wait_turn", args{"handle": refused.Handle, "wait_seconds": 10}).Granted)
}

func TestADeadlockIsSaid(t *testing.T) {
	store := openStore(t, t.TempDir())
	one, two := connect(t, store, "one", nil), connect(t, store, "two", nil)
	one.ask("claim_paths", args{"paths": []string{"a"}})
	two.ask("claim_paths", args{"paths": []string{"b"}})
	require.Equal(t, 1, one.ask("claim_paths", args{"paths": []string{"b"}}).Position)
	stuck := two.ask("claim_paths", args{"paths": []string{"a"}})
	require.False(t, stuck.Granted)
	require.Empty(t, stuck.Handle)
	require.Contains(t, stuck.Next, "for ever")
}

// A client that goes away releases nothing; another one goes on with the handle.
func TestDisconnectingReleasesNothing(t *testing.T) {
	store := openStore(t, t.TempDir())
	one := connect(t, store, "one", nil)
	held := one.ask("claim_paths", args{"paths": []string{"a"}})
	require.NoError(t, one.Close())
	two := connect(t, store, "two", nil)
	require.False(t, two.ask("claim_paths", args{"paths": []string{"a"}, "queue": false}).Granted)
	require.Positive(t, two.ask("extend_claim", args{"handle": held.Handle, "ttl_seconds": 30}).ExpiresIn)
	require.Len(t, two.ask("release_paths", args{"handles": []string{held.Handle}}).Released, 1)
	require.True(t, two.ask("claim_paths", args{"paths": []string{"a"}}).Granted)
}

func TestTheHolderMayBeNamed(t *testing.T) {
	store := openStore(t, t.TempDir())
	c := connect(t, store, "", nil)
	first := c.ask("claim_paths", args{"paths": []string{"a"}})
	require.True(t, strings.HasPrefix(first.Holder, "mcp-"))
	require.False(t, c.ask("claim_paths", args{"paths": []string{"a"}, "queue": false}).Granted, "another claim is by another holder")
	require.True(t, c.ask("claim_paths", args{"paths": []string{"a"}, "holder": first.Holder}).Granted)
}

func TestProblemsAreErrorsThatSayWhatToDo(t *testing.T) {
	store := openStore(t, t.TempDir())
	c := connect(t, store, "one", nil)
	held := c.ask("claim_paths", args{"paths": []string{"a"}})
	_, err := store.ForceRelease(t.Context(), lease.Query{Holder: "one"}, lease.Revocation{Actor: "ops", Reason: "stuck"})
	require.NoError(t, err)
	var out answer
	problem := c.call("extend_claim", args{"handle": held.Handle}, &out)
	require.Contains(t, problem, "revoked: ")
	require.Contains(t, problem, "by ops: stuck")
	require.Contains(t, problem, "To mend it: ")
	require.Equal(t, "revoked", c.ask("release_paths", args{"handles": []string{held.Handle}}).Failed[0].Code)
	for _, bad := range []struct {
		tool string
		in   args
		want string
	}{
		{"claim_paths", args{"paths": []string{}}, "invalid"},
		{"claim_paths", args{"paths": []string{"../../etc/passwd"}}, "outside of the tree"},
		{"claim_paths", args{"paths": []string{"a"}, "ttl_seconds": -1}, "invalid ttl"},
		{"claim_paths", args{}, "paths"},
		{"claim_paths", args{"paths": []string{"a"}, "no_such_field": 1}, "no_such_field"},
		{"wait_turn", args{"handle": "place//x"}, "not one that claim_paths returned"},
		{"wait_turn", args{"handle": "place/none/x"}, "not_found"},
		{"wait_turn", args{"handle": held.Handle, "wait_seconds": 51}, "want 1 to 50"},
		{"extend_claim", args{"handle": "place/id/holder"}, "place in line"},
		{"extend_claim", args{"handle": "lease/id/0/holder"}, "not one that claim_paths returned"},
		{"release_paths", args{"handles": []string{}}, "none given"},
	} {
		require.Contains(t, c.call(bad.tool, bad.in, &out), bad.want, fmt.Sprint(bad))
	}
	// A handle of somebody else's name opens nothing.
	mine := c.ask("claim_paths", args{"paths": []string{"b"}})
	stolen := strings.Replace(mine.Handle, "/one", "/two", 1)
	require.Contains(t, c.call("extend_claim", args{"handle": stolen}, &out), "not_holder")
	require.Contains(t, c.call("wait_turn", args{"handle": stolen}, &out), "not_holder")
}

func TestLooking(t *testing.T) {
	store := openStore(t, t.TempDir())
	one, two := connect(t, store, "one", nil), connect(t, store, "two", nil)
	held := one.ask("claim_paths", args{"paths": []string{"src/"}, "reason": "refactoring"})
	place := two.ask("claim_paths", args{"paths": []string{"src/a"}})
	var look struct {
		Free  bool
		Paths []struct {
			Path, State, Holder, Reason string
			Waiters                     int
		}
	}
	require.Empty(t, one.call("check_paths", args{"paths": []string{"src/a", "docs"}}, &look))
	require.True(t, look.Free)
	require.Equal(t, "mine", look.Paths[0].State)
	require.Equal(t, "free", look.Paths[1].State)
	require.Empty(t, two.call("check_paths", args{"paths": []string{"src/a"}, "holder": "three"}, &look))
	require.False(t, look.Free)
	require.Equal(t, "held", look.Paths[0].State)
	require.Equal(t, "refactoring", look.Paths[0].Reason)
	require.Equal(t, 1, look.Paths[0].Waiters)

	r, err := two.CallTool(t.Context(), &mcp.CallToolParams{Name: "who_holds", Arguments: args{"path": "src/a"}})
	require.NoError(t, err)
	var who struct {
		Path             string
		Holders, Waiters []struct{ Holder, Reason string }
	}
	require.Empty(t, decode(t, r, &who))
	require.Equal(t, "src/a", who.Path)
	require.Equal(t, "one", who.Holders[0].Holder)
	require.Equal(t, "two", who.Waiters[0].Holder)

	// Nobody is shown another's token.
	token := strings.Split(held.Handle, "/")[2]
	list, err := two.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: "leasekit://leases"})
	require.NoError(t, err)
	single, err := two.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: "leasekit://leases/" + string(idOf(held.Handle))})
	require.NoError(t, err)
	for _, seen := range []any{r, place, list, single} {
		text, err := json.Marshal(seen)
		require.NoError(t, err)
		require.NotContains(t, string(text), token)
	}
	require.Contains(t, list.Contents[0].Text, `"waiters":[{"id":"`+string(idOf(place.Handle)))
	require.Contains(t, single.Contents[0].Text, `"status":"active"`)
	_, err = two.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: "leasekit://leases/none"})
	require.ErrorContains(t, err, "not found")
}

func TestTheListCanBeSubscribedTo(t *testing.T) {
	store := openStore(t, t.TempDir())
	updates := make(chan string, 10)
	c := connect(t, store, "one", &mcp.ClientOptions{
		ResourceUpdatedHandler: func(_ context.Context, r *mcp.ResourceUpdatedNotificationRequest) { updates <- r.Params.URI },
	})
	require.NoError(t, c.Subscribe(t.Context(), &mcp.SubscribeParams{URI: "leasekit://leases"}))
	stop := time.After(time.Minute)
	for i := 0; ; i++ { // the subscription begins a moment after its answer
		c.ask("claim_paths", args{"paths": []string{fmt.Sprint("a", i)}})
		select {
		case uri := <-updates:
			require.Equal(t, "leasekit://leases", uri)
			return
		case <-stop:
			t.Fatal("no update")
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// What a model reads about each tool before it calls it.
func TestToolsDescribeThemselves(t *testing.T) {
	c := connect(t, openStore(t, t.TempDir()), "one", nil)
	list, err := c.ListTools(t.Context(), nil)
	require.NoError(t, err)
	reads := map[string]bool{"check_paths": true, "who_holds": true}
	var names []string
	for _, tool := range list.Tools {
		names = append(names, tool.Name)
		require.NotNil(t, tool.OutputSchema, tool.Name)
		require.NotEmpty(t, tool.Annotations.Title)
		require.Equal(t, reads[tool.Name], tool.Annotations.ReadOnlyHint, tool.Name)
		require.False(t, *tool.Annotations.OpenWorldHint)
		require.Regexp(t, "conflict|granted is false|lost|ended", tool.Description, "says what happens then")
		schema, err := json.Marshal(tool.InputSchema)
		require.NoError(t, err)
		require.Contains(t, string(schema), `"description"`)
	}
	require.ElementsMatch(t, []string{
		"claim_paths", "wait_turn", "release_paths", "extend_claim", "check_paths", "who_holds",
	}, names)
	require.Contains(t, c.InitializeResult().Instructions, "claim_paths")
}

func FuzzHandle(f *testing.F) {
	for _, seed := range []string{"lease/id/7/holder", "place/id/holder", "lease/id/0/h", "lease///", "place/", "x", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, handle string) {
		ref, err := mcpserver.ParseHandle(handle)
		if err != nil {
			require.ErrorIs(t, err, lease.ErrInvalid)
			return
		}
		again, err := mcpserver.ParseHandle(mcpserver.HandleOf(ref))
		require.NoError(t, err)
		require.Equal(t, ref, again)
	})
}

func TestMain(m *testing.M) { os.Exit(main(m)) }
