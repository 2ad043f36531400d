//go:build browser

package view

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/tools/internal/history"
	"github.com/pgraft/pgraft/tools/internal/history/historytest"
)

// leaderIn is the lane of who leads in a term, -1 if nobody does.
func leaderIn(h *history.History, term uint64) int {
	for i := range h.Steps {
		if s := &h.Steps[i]; s.After.Role == core.RoleLeader && s.After.Term == term {
			return s.Lane
		}
	}
	return -1
}

// A reader opens the page, sees who led, clicks the vote that made a leader,
// and walks through the run.
func TestBrowser(t *testing.T) {
	h := incident(t)
	h.Name = "incident.trace"
	winner := leaderIn(h, 3) // once node 1 was killed
	if winner < 1 {
		t.Fatalf("lane %d leads in term 3", winner)
	}
	elected, voter := fmt.Sprintf("node %d", winner+1), fmt.Sprintf("node %d", 4-winner)
	p := open(t, h)
	p.shot("first-light")
	p.wantText("#gutter", "node 1", "Leader", "term 2", "node 3", "follows 1")
	p.wantText("#size", "3 nodes", fmt.Sprintf("%d,", len(h.Steps)/1000))
	p.wantText("#incidents", "node 1: killed", elected+": leads term 3", "nodes [2] cut off")

	// An arrow: the vote that made the leader of term 3.
	vote := eval[int](p, `app.model.M.kind.findIndex((k, i) => app.model.kinds[k] === "MsgVoteResp" && app.model.M.mterm[i] === 3 && app.model.M.got[i] >= 0)`)
	if vote < 0 {
		t.Fatal("no vote in term 3")
	}
	eval[any](p, fmt.Sprintf("(app.scale.frame(app.model.S.at[app.model.M.sent[%d]], app.model.S.at[app.model.M.got[%[1]d]]), app.draw(), null)", vote))
	p.painted()
	mid := eval[[]float64](p, fmt.Sprintf("(a => [(a.x0 + a.x1) / 2, (a.y0 + a.y1) / 2])(arrow(%d))", vote))
	p.click(mid[0], mid[1])
	p.wantText("#details", "MsgVoteResp", voter, elected, "term", "3", "on its way")
	p.shot("arrow-light")

	// Along it to its arrival, which made a leader.
	p.key("f")
	p.wantText("#details", "Receive", "input of "+elected, "State after it", "Leader", "was Candidate")
	p.shot("step-light")

	// A click on a band selects that node's step.
	y := eval[float64](p, fmt.Sprintf("app.scale.y[%d]", winner))
	p.click(mid[0], y)
	p.wantText("#details", "input of "+elected)
}

func TestBrowserScrubber(t *testing.T) {
	h := incident(t)
	last := &h.Steps[len(h.Steps)-1].After
	leads := leaderIn(h, last.Term)
	p := open(t, h)
	down := eval[int](p, `app.model.marks.findIndex((m) => m.kind === "down")`)
	eval[any](p, fmt.Sprintf("(app.select({ mark: %d }), null)", down))
	p.key(kb.ArrowRight)
	p.wantText("#gutter", "down")
	for _, c := range []struct {
		key, card, want string
	}{{kb.Home, "#gutter .card:nth-child(2)", "not started"}, {kb.End, fmt.Sprintf("#gutter .card:nth-child(%d)", leads+1), "Leader"}} {
		p.key(c.key)
		p.wantText(c.card, c.want)
	}
	// The slider itself, by keyboard.
	p.do(chromedp.Focus(chromedp.CSS("#scrub")))
	before := eval[int](p, "app.cursor")
	p.key(kb.ArrowLeft)
	if now := eval[int](p, "app.cursor"); now != before-1 {
		t.Errorf("cursor at %d after a step back from %d", now, before)
	}
	if text := eval[string](p, `document.getElementById("scrub").getAttribute("aria-valuetext")`); !strings.Contains(text, fmt.Sprint("event ", before-1)) {
		t.Errorf("the slider says %q", text)
	}
	// Every state shown is the one that the node had then.
	for _, step := range []int{10, 600, 1200, len(h.Steps) - 1} {
		eval[any](p, fmt.Sprintf("(app.moveCursor(%d), null)", step))
		p.painted()
		lane := h.Steps[step].Lane
		s := h.Steps[step].After
		p.wantText(fmt.Sprintf("#gutter .card:nth-child(%d)", lane+1), fmt.Sprintf("term %d", s.Term),
			fmt.Sprintf("commit %d, applied %d", s.Commit, s.Applied), fmt.Sprintf("last index %d", s.Last), s.Role.String())
	}
}

func TestBrowserSearchAndFilter(t *testing.T) {
	h := incident(t)
	p := open(t, h)
	p.key("/")
	if id := eval[string](p, "document.activeElement.id"); id != "query" {
		t.Errorf("/ goes to %q", id)
	}
	p.query("MsgVote term:3")
	p.until(`app.found.hits.length > 0`)
	p.wantText("#found", fmt.Sprintf("MsgVote node %d", leaderIn(h, 3)+1))
	p.key(kb.Enter)
	p.wantText("#details", "MsgVote", "term", "3")
	p.wantText("#hits", "1 of ")
	p.shot("search-light")
	p.query("nothing-like-that")
	p.until(`app.found.hits.length === 0`)
	p.wantText("#found", "Nothing found")
	p.wantText("#hits", "0 hits")
	p.key(kb.Escape)

	// Without heartbeats, and without node 3.
	p.do(chromedp.Click(chromedp.CSS("#kinds-menu summary")))
	p.shot("menu-light")
	p.do(chromedp.Click(chromedp.Search(`//div[@id="kinds"]//label[contains(., "Heartbeat")]`)))
	p.painted()
	if n := eval[int](p, `app.places.drawn.filter((d) => app.model.kinds[app.model.M.kind[d.i]].startsWith("MsgHeartbeat")).length`); n != 0 {
		t.Errorf("%d heartbeats are still drawn", n)
	}
	p.do(chromedp.Click(chromedp.CSS("#nodes-menu summary")), chromedp.Click(chromedp.Search(`//div[@id="nodes"]//label[contains(., "node 3")]`)))
	p.painted()
	if n := eval[int](p, "app.places.drawn.filter((d) => app.model.M.from[d.i] === 2 || app.model.M.to[d.i] === 2).length"); n != 0 {
		t.Errorf("%d messages of node 3 are still drawn", n)
	}
	if text := p.text("#gutter"); strings.Contains(text, "node 3") {
		t.Errorf("node 3 is still shown: %s", text)
	}
}

func TestBrowserKeysAndThemes(t *testing.T) {
	p := open(t, incident(t))
	p.key("?")
	p.wantText("#help", "Keys", "search", "the whole run")
	p.shot("help-light")
	p.key(kb.Escape)
	span := func() float64 { return eval[float64](p, "app.scale.u1 - app.scale.u0") }
	whole := span()
	p.key("+")
	if span() >= whole {
		t.Error("+ did not zoom in")
	}
	left := eval[float64](p, "app.scale.u0")
	p.key(kb.ArrowRight, chromedp.ModifierShift)
	if eval[float64](p, "app.scale.u0") <= left {
		t.Error("Shift and right did not move the view")
	}
	p.key("0")
	p.key("]")
	p.wantText("#details", "what", "when")
	p.key("o")
	p.wantText("#axis", "Axis: order")
	for range 5 {
		p.key("+")
	}
	p.shot("order-light")
	p.do(scheme("dark"))
	p.painted()
	p.shot("order-dark")
	if c := eval[string](p, "getComputedStyle(document.body).backgroundColor"); c != "rgb(20, 23, 28)" {
		t.Errorf("the system is dark, the page is %s", c)
	}
	p.key("t") // light, whatever the system says
	if c := eval[string](p, "getComputedStyle(document.body).backgroundColor"); c != "rgb(255, 255, 255)" {
		t.Errorf("the switch says light, the page is %s", c)
	}
	p.key("t")
	p.key("o")
	p.key("0")
	p.shot("first-dark")
	// The focus can be seen, and every control has a name.
	p.do(chromedp.Focus(chromedp.CSS("#query")))
	p.key(kb.Tab)
	if s := eval[string](p, "getComputedStyle(document.activeElement).outlineStyle"); s == "none" {
		t.Errorf("%s has the focus and does not show it", eval[string](p, "document.activeElement.id"))
	}
	if l := eval[[]string](p, `[...document.querySelectorAll("button, input, summary, canvas[tabindex]")].filter((e) => !(e.innerText || e.getAttribute("aria-label") || e.labels?.length)).map((e) => e.outerHTML)`); len(l) > 0 {
		t.Errorf("without a name: %q", l)
	}
}

// Five nodes and more than 100,000 events: the page loads within seconds and
// paints fast enough to drag.
func TestBrowserLarge(t *testing.T) {
	h, err := historytest.Large()
	if err != nil {
		t.Fatal(err)
	}
	p := open(t, h)
	p.shot("large-light")
	load := eval[float64](p, "loadMillis")
	frames := func(what string, zoom float64) float64 {
		eval[any](p, fmt.Sprintf("(app.scale.all(), app.scale.zoom(%g), app.frames = [], app.dragged = 0, (function drag() {"+
			" if (app.dragged++ < 30) { app.scale.pan(7); app.draw(); requestAnimationFrame(drag); } })(), null)", zoom))
		p.until("app.dragged > 30 && !app.pending")
		l := eval[[]float64](p, "[...app.frames].sort((a, b) => a - b)")
		t.Logf("%s: %d frames, median %.1f ms, 9 of 10 below %.1f ms", what, len(l), l[len(l)/2], l[len(l)*9/10])
		return l[len(l)/2]
	}
	slowest := max(frames("whole run", 1), frames("a tenth", 0.1), frames("a hundredth", 0.01), frames("a thousandth", 0.001))
	search := eval[float64](p, `(() => { const t = performance.now(); app.search("MsgApp entries:>1"); return performance.now() - t; })()`)
	t.Logf("%d steps, %d messages: loaded in %.0f ms, searched in %.0f ms", len(h.Steps), len(h.Messages), load, search)
	// Far above what was measured: a slow machine must not fail, a mistake that
	// costs ten times as much must.
	if load > 5000 || slowest > 250 || search > 1500 {
		t.Errorf("load %.0f ms, frame %.0f ms, search %.0f ms: want at most 5000, 250, 1500", load, slowest, search)
	}
}
