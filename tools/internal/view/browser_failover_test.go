//go:build browser

package view

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/pgraft/pgraft/tools/internal/history/historytest"
	"github.com/pgraft/pgraft/tools/internal/replay"
)

func failedOver(t *testing.T) *tab {
	t.Helper()
	h, err := historytest.Failover()
	if err != nil {
		t.Fatal(err)
	}
	h.Name = "failover"
	return open(t, h)
}

// A reader sees who was the primary when, that the one that was cut off was fenced from
// its lease's end on, and follows an epoch from its beginning until it is open.
func TestBrowserFailover(t *testing.T) {
	p := failedOver(t)
	p.shot("failover-light")
	p.wantText("#incidents", "node 1: epoch 1 founded by node 1", "node 2: epoch 2 granted to node 2, boot 1: timeline 2 from 0/30016D0 of epoch 1", "node 3: epoch 3 open by node 3")

	// Each lane has the states of its server, in order, down to when it ends.
	for l, want := range []string{
		"opening 1, primary 1, standby 1, standby 2, rejoining 2, standby 2, following 2, following 3, sealed 3, standby 3, following 3",
		"standby 1, following 1, following 2, sealed 2, promoting 2, opening 2, primary 2, fenced 2, fenced 3, standby 3, rejoining 3, standby 3, following 3",
		"standby 1, following 1, following 2, sealed 2, standby 2, following 2, following 3, sealed 3, promoting 3, opening 3, primary 3",
	} {
		if got := eval[string](p, fmt.Sprintf("app.model.lanes[%d].servers.map((s) => `${app.model.servers[s.server]} ${s.epoch}`).join(', ')", l)); got != want {
			t.Errorf("node %d: %s\nwant %s", l+1, got, want)
		}
	}
	eval[any](p, fmt.Sprintf("(app.scale.frame(%d, %d), app.draw(), null)", 7_800_000, 8_900_000))
	p.shot("failover-epoch-light")
	granted := eval[int](p, `app.model.marks.findIndex((m) => m.text.startsWith("epoch 2 granted"))`)
	eval[any](p, fmt.Sprintf("(app.select({ mark: %d }), null)", granted))
	p.painted()
	p.wantText("#details", "epoch", "promoting was sealed", "2, granted to node 2 was 2, begun", "What the log has decided", "report of node 3", "0/30016D0 of epoch 1, boot 1",
		"What its node decided", "put the names of epoch 2 in force", "What its host reported", "up to epoch 1", "to 0/30016D0 on timeline 1, noted for epoch 1")
	p.wantText("#gutter .card:nth-child(2)", "promoting, epoch 2 granted")
	p.wantText("#gutter .card:nth-child(3)", "sealed, epoch 2 begun")
	if text := p.text("#gutter .card:nth-child(1)"); strings.Contains(text, "epoch") {
		t.Errorf("node 1 is down, and its card says %q", text)
	}
	// What has changed stands out, and only that.
	if bold := eval[string](p, `[...document.querySelectorAll("#details h3 + dl strong")].map((e) => e.innerText).join("; ")`); !strings.Contains(bold, "2, granted") || strings.Contains(bold, "noted for epoch") {
		t.Errorf("in bold: %s", bold)
	}
	p.shot("failover-details-light")

	// A point of the stripe is a step of its node.
	at := eval[[]float64](p, `[app.scale.x(8500000), app.scale.y[1] + 18]`)
	p.click(at[0], at[1])
	p.wantText("#details", "input of node 2", "opening")
}

// A primary is one up to the end of its lease, also where no step says that it is over,
// as of a node that stands still.
func TestBrowserFailoverLease(t *testing.T) {
	h, err := historytest.Failover()
	if err != nil {
		t.Fatal(err)
	}
	last := -1 // step of node 2 as a primary
	for i := range h.Steps {
		if s := &h.Steps[i]; s.Lane == 1 && s.Failover.ServerState(s.After) == replay.ServerPrimary {
			last = i
		}
	}
	end := h.Steps[last].At + 3*time.Millisecond
	h.Steps[last].LeaseEnd = end
	p := open(t, h)
	span := eval[[]float64](p, `app.model.lanes[1].servers.filter((s) => ["primary", "fenced"].includes(app.model.servers[s.server])).flatMap((s) => [s.from, s.to]).slice(0, 4)`)
	if want := float64(end.Microseconds()); len(span) != 4 || span[1] != want || span[2] != want || span[3] <= want {
		t.Errorf("primary and fenced %v, the lease ends at %v", span, want)
	}
	eval[any](p, fmt.Sprintf("(app.moveCursor(app.model.S.at.findIndex((at, i) => at > %v && app.model.S.lane[i] !== 1)), null)", end.Microseconds()))
	p.painted()
	p.wantText("#gutter .card:nth-child(2)", "fenced, epoch 2 open")
}

// Words and numbers of failover are found; its messages can be left out.
func TestBrowserFailoverSearch(t *testing.T) {
	p := failedOver(t)
	for query, want := range map[string]string{
		"fenced node:2":     "the server waits",
		"epoch:3 promoting": "node 3: ",
		"FailoverEntry":     "FailoverEntry node 3 → node 2",
		"granted to node 2": "node 2: epoch 2 granted to node 2",
		"0/30016D0 report":  "FailoverEntry",
	} {
		p.query(query)
		p.until(`app.found.hits.length > 0`)
		if query == "fenced node:2" {
			p.key(kb.Enter)
			p.wantText("#details", want)
		} else {
			p.wantText("#found", want)
		}
		p.query("nothing-like-that")
		p.until(`app.found.hits.length === 0`)
	}
	p.key(kb.Escape)
	p.do(chromedp.Click(chromedp.CSS("#legend-menu summary")))
	p.wantText("#legend", "server fenced: ", "server sealed: ", "server primary: ", "epoch")
	p.shot("failover-legend-light")
	p.do(chromedp.Click(chromedp.CSS("#legend-menu summary")), chromedp.Click(chromedp.CSS("#kinds-menu summary")))
	p.wantText("#kinds", "Failover's reports", "Failover's proposals")
	p.shot("failover-menu-light")
}

// Little room, dark, in order of events; and nothing of it in a run without failover.
func TestBrowserFailoverLooks(t *testing.T) {
	p := failedOver(t)
	p.do(scheme("dark"))
	p.shot("failover-dark")
	p.key("o")
	p.shot("failover-order-dark")
	p.do(chromedp.EmulateViewport(1100, 420))
	p.key("o")
	p.key("0")
	p.shot("failover-small-dark")
	// Cards do not cover each other.
	if bad := eval[[]string](p, `[...document.querySelectorAll("#gutter .card")].map((e) => e.getBoundingClientRect()).flatMap((r, i, all) =>
		i > 0 && r.top < all[i - 1].bottom ? [all[i - 1].bottom + " > " + r.top] : [])`); len(bad) > 0 {
		t.Errorf("cards cover each other: %v", bad)
	}

	p = open(t, incident(t))
	p.do(chromedp.Click(chromedp.CSS("#legend-menu summary")))
	for _, where := range []string{"#legend", "#gutter", "#incidents"} {
		if text := p.text(where); strings.Contains(text, "server") || strings.Contains(text, "epoch") {
			t.Errorf("without failover %s says %s", where, text)
		}
	}
	p.do(chromedp.Click(chromedp.CSS("#kinds-menu summary")))
	if text := p.text("#kinds"); strings.Contains(text, "Failover") {
		t.Errorf("without failover the menu has %s", text)
	}
	if n := eval[int](p, "app.scale.under + app.model.lanes.flatMap((l) => l.servers).length"); n != 0 {
		t.Errorf("without failover lanes have stripes: %d", n)
	}
}
