//go:build browser

// The page in a real browser: Debian's chromium, without a window. Screenshots
// go to $PGRAFT_SCREENSHOTS when that names a directory.

package view

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/pgraft/pgraft/tools/internal/history"
)

const (
	// browserTime bounds all that one test does in the browser.
	browserTime = 60 * time.Second
	width       = 1500
	height      = 900
)

// tab is the page in a browser.
type tab struct {
	*testing.T
	ctx context.Context
	mu  sync.Mutex
	bad []string // what the page complained of
}

// open writes the page of h to disk and opens it there.
func open(t *testing.T, h *history.History) *tab {
	t.Helper()
	var html bytes.Buffer
	if err := Write(&html, h); err != nil {
		t.Fatal(err)
	}
	p := openPage(t, html.Bytes())
	t.Cleanup(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, b := range p.bad {
			t.Errorf("the page says: %s", b)
		}
	})
	p.do(chromedp.WaitReady(chromedp.CSS(`body[data-ready="true"]`)))
	p.painted()
	return p
}

// openPage opens what a file holds, whatever the page complains of.
func openPage(t *testing.T, html []byte) *tab {
	t.Helper()
	path := filepath.Join(t.TempDir(), "run.html")
	if err := os.WriteFile(path, html, 0o644); err != nil {
		t.Fatal(err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.WindowSize(width, height))
	ctx, stop := context.WithTimeout(t.Context(), browserTime)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(stop)
	p := &tab{T: t}
	p.ctx, stop = chromedp.NewContext(ctx, chromedp.WithListener(p.listen))
	t.Cleanup(stop)
	p.do(chromedp.EmulateViewport(width, height), scheme("light"), chromedp.Navigate("file://"+path))
	return p
}

// listen keeps what the page complains of.
func (p *tab) listen(ev any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch ev := ev.(type) {
	case *runtime.EventExceptionThrown:
		p.bad = append(p.bad, fmt.Sprint(ev.ExceptionDetails))
	case *runtime.EventConsoleAPICalled:
		p.bad = append(p.bad, fmt.Sprintf("console.%s", ev.Type))
	}
}

// scheme makes the system's colours light or dark.
func scheme(name string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}})
		return err
	})
}

func (p *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	p.Helper()
	if err := chromedp.Do(p.ctx, actions...); err != nil {
		p.Fatalf("in the browser: %v", err)
	}
}

// eval runs JavaScript in the page, with app in its scope, into out.
func eval[T any](p *tab, js string) T {
	p.Helper()
	out, err := chromedp.Run(p.ctx, chromedp.Evaluate[T]("(() => { const { app, arrow, loadMillis } = window.pgraftView ?? {}; return "+js+"; })()"))
	if err != nil {
		p.Fatalf("in the page: %s: %v", js, err)
	}
	return out
}

// until waits for JavaScript to be true.
func (p *tab) until(js string) {
	p.Helper()
	p.do(chromedp.Poll[chromedp.Void]("(() => { const { app } = window.pgraftView ?? {}; return "+js+"; })()", chromedp.WithPollingTimeout(10*time.Second)))
}

// painted waits until what was asked for is on the screen.
func (p *tab) painted() { p.Helper(); p.until("!app?.pending") }

func (p *tab) text(selector string) string {
	p.Helper()
	return eval[string](p, fmt.Sprintf("document.querySelector(%q).innerText", selector))
}

func (p *tab) wantText(selector string, words ...string) {
	p.Helper()
	text := p.text(selector)
	for _, w := range words {
		if !bytes.Contains([]byte(text), []byte(w)) {
			p.Errorf("%s: no %q in:\n%s", selector, w, text)
		}
	}
}

// click clicks a point of the diagram.
func (p *tab) click(x, y float64) {
	p.Helper()
	at := eval[[]float64](p, "(r => [r.left, r.top])(app.canvas.getBoundingClientRect())")
	p.do(chromedp.MouseClickXY(at[0]+x, at[1]+y))
	p.painted()
}

func (p *tab) key(keys string, modifiers ...chromedp.Modifier) {
	p.Helper()
	p.do(chromedp.KeyEvent(keys, chromedp.KeyModifiers(modifiers...)))
	p.painted()
}

// query types into the search field, in place of what was there.
func (p *tab) query(text string) {
	p.Helper()
	p.do(chromedp.Focus(chromedp.CSS("#query")))
	eval[any](p, `(document.getElementById("query").select(), null)`)
	p.do(chromedp.KeyEvent(text))
}

// shot takes a picture for people.
func (p *tab) shot(name string) {
	p.Helper()
	p.painted()
	png, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		p.Fatalf("screenshot %s: %v", name, err)
	}
	if len(png) < 10_000 {
		p.Errorf("screenshot %s has only %d bytes", name, len(png))
	}
	if dir := os.Getenv("PGRAFT_SCREENSHOTS"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
			p.Fatal(err)
		}
	}
}
