package browsertest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/view"
)

// Every page loads, under a prefix and a strict policy, with the worst of names,
// and the browser has nothing to complain about.
func TestPagesLoad(t *testing.T) {
	onAll(t, func(t *testing.T, m lease.Manager) {
		script := acquire(t, m, "<img src=x onerror=alert(1)>", lease.Paths("<script>alert(1)</script>", "\u202egnp.exe", strings.Repeat(strings.Repeat("ü", 60)+"/", 33)+"end"))
		waits(t, m, "waiter", lease.Paths("\u202egnp.exe"))
		labels := map[string]string{}
		for i := range 50 {
			labels[fmt.Sprintf("<b>key %02d", i)] = strings.Repeat("\u2066</script>", 5)
		}
		_, err := m.TryAcquire(t.Context(), lease.Request{Holder: "many", Claims: lease.Paths("labels"), Labels: labels})
		require.NoError(t, err)
		s := serve(t, m, view.Options{Title: "<script>alert(2)</script>", Allow: anybody})

		b := open(t, s.url, 1280, 800)
		b.until("document.querySelectorAll('.grid .lines [role=row]').length >= 4")
		b.shows("<script>alert(2)</script>")
		b.shows("⟨202E⟩gnp.exe")
		for page, text := range map[string]string{
			"waits": "waiter", "timeline": "granted", "hot": "Longest holds now", "config": "waiter_ttl",
			"lease?id=" + string(script.ID): "<img src=x onerror=alert(1)>", "path?path=labels": "many", "now?view=list&holder=many": "1 line",
		} {
			value[bool](b, fmt.Sprintf("location.hash = %q, true", page))
			b.shows(text)
			require.Zero(t, value[int](b, "document.querySelectorAll('main script, main img, bdi *').length"), "names are only text")
			b.until("document.documentElement.scrollWidth <= innerWidth")
		}
		value[bool](b, "location.hash = 'lease?id=nothing', true")
		b.shows("Not found")
		// The browser itself reports that answer.
		b.forget()
		for _, r := range b.asked() {
			require.True(t, strings.HasPrefix(r, s.url), "nothing is loaded from elsewhere: %s", r)
		}
	})
}

// A new holder is on the page as soon as it is granted, without a poll.
func TestNewHolderShows(t *testing.T) {
	onAll(t, func(t *testing.T, m lease.Manager) {
		s := serve(t, m, view.Options{})
		b := open(t, s.url, 1280, 800)
		b.shows("Nobody holds anything.")
		b.shows("Live")
		var took []float64
		for rounds := 0; rounds < fewRounds || rounds < manyRounds && slices.Min(took) >= shownWithin; rounds++ {
			took = append(took, showNew(b, m, rounds))
		}
		t.Logf("shown after (ms): %.0f", took)
		require.Less(t, slices.Min(took), shownWithin)
		b.clean()
	})
}

// showNew returns how many milliseconds after its grant a new holder is on the
// page.
func showNew(b *tab, m lease.Manager, number int) float64 {
	b.t.Helper()
	granted := acquire(b.t, m, fmt.Sprintf("holder-%d", number), lease.Paths(fmt.Sprintf("dir/file-%d", number)))
	at := float64(time.Now().UnixMicro()) / 1000
	return b.until(fmt.Sprintf("document.querySelector('[data-id=%q]')", granted.ID)) - at
}

func TestWaitsShow(t *testing.T) {
	onAll(t, func(t *testing.T, m lease.Manager) {
		withoutDeadlockCheck(t, m)
		s := serve(t, m, view.Options{})
		acquire(t, m, "ann", lease.Paths("a"))
		acquire(t, m, "bob", lease.Paths("b"))
		b := open(t, s.url+"#waits", 1280, 900)
		b.shows("Nobody waits.")

		waits(t, m, "bob", lease.Paths("a"))
		b.shows("1 waiter, in 1 group")
		b.until("document.querySelectorAll('.arrow').length === 1")
		waits(t, m, "cid", lease.Paths("b"))
		b.shows("Chain of 2")
		b.until("document.querySelectorAll('.arrow').length === 2")
		value[bool](b, "location.hash = 'now', true")
		b.shows("1st in line")

		waits(t, m, "ann", lease.Paths("b"))
		value[bool](b, "location.hash = 'waits', true")
		b.shows("Deadlock")
		b.shows("bob, ann wait for each other")
		b.until("document.querySelectorAll('.arrow.bad').length === 2")
		b.until("document.getElementById('deadlocks').textContent === '1 deadlock'")
		b.clean()
	})
}

// What counts down does so by the store's time, and ends when the lease ends.
func TestExpiryCountsDown(t *testing.T) {
	m := inMemory(t)
	s := serve(t, m, view.Options{})
	b := open(t, s.url, 1280, 800)
	_, err := m.TryAcquire(t.Context(), lease.Request{Holder: "brief", Claims: lease.Paths("a"), TTL: 3 * time.Second})
	require.NoError(t, err)
	b.until("/^2\\.\\ds$/.test(document.querySelector('[data-until]').textContent)")
	b.until("/^1\\.\\ds$/.test(document.querySelector('[data-until]').textContent)")
	b.shows("Nobody holds anything.")
	b.clean()
}
