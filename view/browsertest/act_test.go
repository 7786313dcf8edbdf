package browsertest

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/view"
)

// Force release shows what it will end, asks why, ends it, and the holder hears.
func TestForceRelease(t *testing.T) {
	onAll(t, func(t *testing.T, m lease.Manager) {
		s := serve(t, m, view.Options{Allow: anybody, Actor: func(*http.Request) string { return "olga" }})
		heard := make(chan error, 1)
		holding := make(chan lease.Lease, 1)
		go func() {
			heard <- lease.Do(t.Context(), m, lease.Request{Holder: "stuck", Claims: lease.Paths("a/b"), TTL: time.Second},
				func(ctx context.Context, l lease.Lease) error {
					holding <- l
					<-ctx.Done()
					return nil
				})
		}()
		l := <-holding
		b := open(t, s.url+"#lease?id="+string(l.ID), 1280, 800)
		b.shows("Held for")
		b.click("Force release…")
		b.until("document.querySelector('dialog').innerText.includes('a/b')")
		b.until("document.querySelector('dialog').innerText.includes('End 1 lease')")
		require.Equal(t, "reason", value[string](b, "document.activeElement.id"), "the reason is where one types")

		b.click("End 1 lease") // without a reason the browser does not send it
		require.True(t, value[bool](b, "document.querySelector('dialog').open && !document.getElementById('reason').validity.valid"))
		b.press("does not answer")
		b.click("End 1 lease")
		b.shows("Ended 1 lease.")
		select {
		case err := <-heard:
			var lost *lease.LostError
			require.ErrorAs(t, err, &lost)
			require.ErrorIs(t, err, lease.ErrRevoked)
			require.Equal(t, "olga", lost.Actor)
			require.Equal(t, "does not answer", lost.Reason)
		case <-time.After(20 * time.Second):
			t.Fatal("the holder has not heard of it")
		}
		b.press(escape)
		b.until("!document.querySelector('dialog')")
		b.shows("Ended: revoked")
		b.shows("by olga, does not answer")
		b.clean()
	})
}

// The buttons are there only for who may use them.
func TestReadOnly(t *testing.T) {
	m := inMemory(t)
	l := acquire(t, m, "ann", lease.Paths("a"))
	s := serve(t, m, view.Options{})
	b := open(t, s.url+"#lease?id="+string(l.ID), 1280, 800)
	b.shows("Held for")
	b.shows("Live")
	require.Zero(t, value[int](b, "[...document.querySelectorAll('main button')].filter((e) => e.offsetParent).length"))
	value[bool](b, "location.hash = 'config', true")
	b.shows("waiter_ttl")
	require.Zero(t, value[int](b, "document.querySelectorAll('main input, main button').length"))
	b.clean()
}

func TestChangeConfig(t *testing.T) {
	m := inMemory(t)
	s := serve(t, m, view.Options{Allow: anybody})
	b := open(t, s.url+"#config", 1280, 800)
	b.shows("waiter_ttl")
	set := func(name, to string) {
		b.until(fmt.Sprintf("document.getElementById('set-%s')", name))
		value[bool](b, fmt.Sprintf("document.getElementById('set-%s').value = %q, true", name, to))
		b.click("Save")
	}
	set("waiter_ttl", "1ms")
	b.shows("invalid waiter_ttl")
	b.forget() // the browser reports the refusal
	set("waiter_ttl", "17s")
	b.shows("Version 2, set")
	c, err := m.Config(t.Context())
	require.NoError(t, err)
	require.Equal(t, 17*time.Second, c.WaiterTTL)
	b.clean()

	// Somebody else is faster, while this page has unsaved changes.
	value[bool](b, "document.getElementById('set-waiter_ttl').value = '18s', true")
	c.MaxRenewals = 7
	_, err = m.SetConfig(t.Context(), c)
	require.NoError(t, err)
	b.shows("Version 3, set")
	b.click("Save")
	b.shows("Somebody else changed it meanwhile")
}
