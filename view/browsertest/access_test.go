package browsertest

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/leasekit/leasekit/lease"
	"github.com/leasekit/leasekit/view"
)

const escape = kb.Escape

// busy is a store in which each part of the page has something to show.
func busy(t *testing.T) (lease.Manager, lease.Lease) {
	m := inMemory(t)
	withoutDeadlockCheck(t, m)
	l := acquire(t, m, "ann", lease.Trees("src/net"))
	acquire(t, m, "bob", lease.SharedPaths("src/main.go", "README.md"))
	acquire(t, m, "cid", lease.Paths("docs/a.md"))
	waits(t, m, "bob", lease.Paths("src/net/http.go"))
	waits(t, m, "dan", lease.Paths("src/main.go"))
	waits(t, m, "ann", lease.Paths("README.md"))
	gone := acquire(t, m, "eve", lease.Paths("old"))
	require.NoError(t, m.Release(t.Context(), gone.Ref()))
	return m, l
}

// Everything can be reached and done without a mouse.
func TestKeyboardOnly(t *testing.T) {
	m, l := busy(t)
	s := serve(t, m, view.Options{Allow: anybody})
	b := open(t, s.url, 1280, 800)
	b.until("document.querySelectorAll('.lines > .row').length > 5")
	focused := func(expression string) {
		t.Helper()
		b.until("(() => { const e = document.activeElement; return " + expression + " })()")
	}
	b.press(kb.Tab)
	focused("e.id === 'skip'")
	b.press(kb.Tab, kb.Tab, kb.Tab)
	focused("e.textContent.startsWith('Waits')")
	b.press(kb.Enter)
	b.shows("Who waits for whom")
	value[bool](b, "history.back(), true")
	b.until("document.querySelectorAll('.lines > .row').length > 5")

	b.press(kb.Tab)
	focused("e.type === 'search'")
	for range 20 {
		b.press(kb.Tab)
		if value[bool](b, "document.activeElement.matches('.lines > .row')") {
			break
		}
	}
	focused("e.matches('.lines > .row')")
	b.press(kb.Home)
	focused("e.getAttribute('aria-rowindex') === '2'")
	b.press(kb.End)
	focused("e.matches('.lines > .row') && e.nextElementSibling === null")
	b.press(kb.Home)
	// Down to a directory, shut it, open it, go in, and back to it.
	for range 10 {
		if value[bool](b, "document.activeElement.hasAttribute('aria-expanded')") {
			break
		}
		b.press(kb.ArrowDown)
	}
	focused("e.getAttribute('aria-expanded') === 'true'")
	b.press(kb.ArrowLeft)
	focused("e.getAttribute('aria-expanded') === 'false'")
	b.press(kb.ArrowRight)
	focused("e.getAttribute('aria-expanded') === 'true'")
	b.press(kb.ArrowDown)
	focused("!e.hasAttribute('aria-expanded') && e.getAttribute('aria-level') === '2'")
	b.press(kb.ArrowLeft)
	focused("e.getAttribute('aria-expanded') === 'true'")
	// The focus stays where it is while the page changes.
	acquire(t, m, "first", lease.Paths("AAA"))
	b.shows("first")
	focused("e.getAttribute('aria-expanded') === 'true'")

	value[bool](b, fmt.Sprintf("document.querySelector('[data-id=%q]').focus(), true", l.ID))
	b.press(kb.Enter)
	b.shows("Held for")
	for range 20 {
		b.press(kb.Tab)
		if value[bool](b, "document.activeElement.textContent === 'Force release…'") {
			break
		}
	}
	b.press(kb.Enter)
	b.until("document.querySelector('dialog')?.innerText.includes('End 1 lease')")
	b.press("no mouse")
	b.press(kb.Enter)
	b.shows("Ended 1 lease.")
	focused("e.textContent === 'Close'")
	b.press(kb.Enter)
	b.until("!document.querySelector('dialog')")
	b.clean()
}

// On a phone nothing is wider than the screen, and what matters is there.
func TestPhone(t *testing.T) {
	m, l := busy(t)
	s := serve(t, m, view.Options{Allow: anybody})
	b := open(t, s.url, 390, 844)
	b.shows("1st in line")
	for _, page := range pages(l) {
		value[bool](b, fmt.Sprintf("location.hash = %q, true", page.hash))
		b.shows(page.text)
		b.until("document.documentElement.scrollWidth <= 390 && document.querySelector('main').scrollWidth <= 390")
		b.until("[...document.querySelectorAll('nav a')].every((e) => e.getBoundingClientRect().right <= 390 && e.getBoundingClientRect().height >= 40)")
	}
	b.clean()
}

type look struct{ hash, text string }

func pages(l lease.Lease) []look {
	return []look{
		{"now", "docs/"},
		{"now?view=list", "docs/a.md"},
		{"waits", "wait for each other"},
		{"timeline", "Latest events"},
		{"hot", "Longest holds now"},
		{"config", "waiter_ttl"},
		{"path?path=src/net", "What happened"},
		{"lease?id=" + string(l.ID), "Waited for by"},
	}
}

// axe-core finds no serious issue on any page, light or dark, wide or narrow.
func TestAccessibility(t *testing.T) {
	const file = "node_modules/axe-core/axe.min.js"
	script, err := os.ReadFile(file)
	require.NoError(t, err, "this test needs axe-core: run npm ci in view/browsertest (Debian: apt-get install npm)")
	m, l := busy(t)
	s := serve(t, m, view.Options{Allow: anybody})
	for _, form := range []struct {
		scheme        string
		width, height int64
	}{{"light", 1280, 900}, {"dark", 1280, 900}, {"light", 390, 844}} {
		t.Run(fmt.Sprintf("%s %d", form.scheme, form.width), func(t *testing.T) {
			b := blank(t)
			call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: form.scheme}}})
			b.do(chromedp.EmulateViewport(form.width, form.height), chromedp.Navigate(s.url))
			b.shows("1st in line")
			value[bool](b, string(script)+"; true")
			for _, page := range append(pages(l), look{"lease?id=" + string(l.ID), "dialog"}) {
				if page.text == "dialog" {
					b.click("Force release…")
					b.until("document.querySelector('dialog')?.innerText.includes('End 1 lease')")
				} else {
					value[bool](b, fmt.Sprintf("location.hash = %q, true", page.hash))
					b.shows(page.text)
				}
				found := value[[]string](b, `axe.run(document, {resultTypes: ['violations']}).then((r) => r.violations
					.filter((v) => v.impact === 'serious' || v.impact === 'critical')
					.map((v) => v.id + ': ' + v.help + '\n' + v.nodes.map((n) => '  ' + n.html.slice(0, 200) + ' ' + n.failureSummary).join('\n')))`)
				require.Empty(t, found, "%s:\n%s", page.hash, strings.Join(found, "\n"))
			}
		})
	}
}
