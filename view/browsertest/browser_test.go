// Package browsertest checks the page of package view in a real browser: what a
// person sees, clicks and types. It is a module of its own, so that nobody who
// imports Leasekit downloads a browser's driver.
package browsertest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browser is one Chromium for all tests; each test has a tab of its own.
var browser context.Context

func TestMain(m *testing.M) {
	os.Exit(func() int {
		path, err := chromium()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		profile, err := os.MkdirTemp("", "leasekit-browser-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(profile)
		options := []chromedp.ExecAllocatorOption{
			chromedp.ExecPath(path), chromedp.UserDataDir(profile), chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
			chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU,
			chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
			chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
			chromedp.Flag("disable-extensions", true), chromedp.Flag("disable-dev-shm-usage", true),
			chromedp.Flag("hide-scrollbars", true), chromedp.Flag("force-color-profile", "srgb"),
		}
		allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
		defer stop()
		ctx, cancel := chromedp.NewContext(allocator)
		defer cancel()
		if err := chromedp.Do(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "cannot start", path+":", err)
			return 1
		}
		browser = ctx //nolint:fatcontext // once, for all tests
		return m.Run()
	}())
}

func chromium() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("these tests need Chromium on PATH: apt-get install chromium (Debian), brew install chromium (macOS)")
}

// tab is a page that somebody looks at.
type tab struct {
	t        testing.TB
	ctx      context.Context
	close    func() // a browser has six streams of a server at most, for all tabs
	mu       sync.Mutex
	problems []string
	requests []string
}

// open opens a tab of that size on an address.
func open(tb testing.TB, url string, width, height int64) *tab {
	tb.Helper()
	b := blank(tb)
	b.do(chromedp.EmulateViewport(width, height), chromedp.Navigate(url))
	return b
}

// blank opens an empty tab.
func blank(tb testing.TB) *tab {
	tb.Helper()
	b := &tab{t: tb}
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithListener(b.hear))
	b.close = func() { _ = chromedp.Cancel(ctx); cancel() } // it may be closed already
	tb.Cleanup(b.close)
	// The first call binds the tab's life to its context: no deadline before.
	if err := chromedp.Do(ctx); err != nil {
		tb.Fatal(err)
	}
	ctx, stop := context.WithTimeout(ctx, 4*time.Minute+asleep(tb))
	tb.Cleanup(stop)
	b.ctx = ctx
	call(b, network.Enable, network.EnableParams{})
	return b
}

// hear notes what the browser complains about: refused by the policy of the
// page, thrown by a script, missing on the server.
func (b *tab) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			text += " " + e.ExceptionDetails.Exception.Description
		}
		b.problems = append(b.problems, "exception: "+text)
	case *runtime.EventConsoleAPICalled:
		if e.Type == "error" || e.Type == "warning" {
			var parts []string
			for _, a := range e.Args {
				parts = append(parts, fmt.Sprint(a.Value)+a.Description)
			}
			b.problems = append(b.problems, "console: "+strings.Join(parts, " "))
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == "error" || e.Entry.Level == "warning" {
			b.problems = append(b.problems, "log: "+e.Entry.Text+" "+e.Entry.URL)
		}
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, e.Request.URL)
	}
}

// clean fails the test if the browser had anything to complain about.
func (b *tab) clean() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.problems) > 0 {
		b.t.Errorf("the browser complains:\n%s", strings.Join(b.problems, "\n"))
	}
}

// asked lists the addresses that the page has loaded.
func (b *tab) asked() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.requests)
}

// forget drops the complaints so far, which a test has caused on purpose.
func (b *tab) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.problems = nil
}

func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.fail(err)
	}
}

func (b *tab) fail(err error) {
	b.t.Helper()
	b.mu.Lock()
	problems := strings.Join(b.problems, "\n")
	b.mu.Unlock()
	b.t.Fatalf("%v\n%s\non the page:\n%s", err, problems, b.text())
}

// call runs a command of the protocol.
func call[P, R any](b *tab, command cdp.Command[P, R], parameters P) R {
	b.t.Helper()
	result, err := chromedp.Call(b.ctx, command, parameters)
	if err != nil {
		b.fail(err)
	}
	return result
}

// value evaluates an expression in the page.
func value[T any](b *tab, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.fail(fmt.Errorf("%s: %w", expression, err))
	}
	return v
}

// text is what the page shows, for a failure's message.
func (b *tab) text() string {
	ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.body?.innerText ?? ''`))
	if err != nil {
		return err.Error()
	}
	return text
}

// until waits until an expression is true in the page, and returns when that
// was, in milliseconds since 1970.
func (b *tab) until(expression string) float64 {
	b.t.Helper()
	return value[float64](b, fmt.Sprintf(`new Promise((done, fail) => {
		const end = performance.now() + 30_000
		const check = () => {
			let yes = false
			try { yes = %s } catch {}
			if (yes) done(Date.now())
			else if (performance.now() > end) fail(new Error('not within 30 s'))
			else setTimeout(check, 5)
		}
		check()
	})`, expression))
}

// shows waits until a text is on the page.
func (b *tab) shows(text string) {
	b.t.Helper()
	b.until(fmt.Sprintf("document.body.innerText.includes(%q)", text))
}

// hides waits until a text is no longer on the page.
func (b *tab) hides(text string) {
	b.t.Helper()
	b.until(fmt.Sprintf("!document.body.innerText.includes(%q)", text))
}

// click clicks the first button or link with that text.
func (b *tab) click(text string) {
	b.t.Helper()
	b.until(fmt.Sprintf(`(() => {
		const e = [...document.querySelectorAll('button, a')].find((e) => e.textContent.trim() === %q && e.offsetParent !== null && !e.disabled)
		if (e) e.click()
		return Boolean(e)
	})()`, text))
}

// press presses keys, where the focus is.
func (b *tab) press(keys ...string) {
	b.t.Helper()
	for _, key := range keys {
		b.do(chromedp.KeyEvent(key))
	}
}

// png takes a screenshot.
func (b *tab) png() []byte {
	b.t.Helper()
	shot, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.fail(err)
	}
	return shot
}

// scrollTo scrolls the list.
func scrollTo(where string) chromedp.Action[chromedp.Void] {
	return chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`(() => {
		const grid = document.querySelector('.grid')
		grid.scrollTop = %q === 'bottom' ? grid.scrollHeight : grid.scrollHeight / 2
	})()`, where))
}
