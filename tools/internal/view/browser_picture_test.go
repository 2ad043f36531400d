//go:build browser

package view

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/pgraft/pgraft/tools/internal/history"
	"github.com/pgraft/pgraft/tools/internal/replay"
)

// The page of a recorded bug: two nodes hold a lease at once, because one that
// handed its leadership over kept its own. The README shows this picture.
func TestBrowserPicture(t *testing.T) {
	h, _, err := history.Load("../../../testdata/trace/lease_kept_in_transfer")
	if err != nil {
		t.Fatal(err)
	}
	h.Name = "Two leases at a time"
	p := open(t, h)
	p.wantText("#gutter", "host1:7000", "host2:7000", "host3:7000")
	p.wantText("#incidents", "node 2: leads term 3", "one-lease: node 2 holds the lease in term 3")
	asked := eval[int](p, `app.model.M.kind.findIndex((k) => app.model.kinds[k] === "MsgTimeoutNow")`)
	if asked < 0 {
		t.Fatal("nobody was asked to stand for election")
	}
	eval[any](p, fmt.Sprintf(`(app.select({ message: %d }), app.scale.frame(app.model.S.at[app.model.M.sent[%[1]d]] - 140000, app.model.end - 45000), app.draw(), null)`, asked))
	p.painted()
	p.wantText("#details", "MsgTimeoutNow", "node 1", "node 2", "on its way")
	p.shot("view")
}

// A page that is not whole says so, whether its end is missing or its middle is
// another; and so does the page of a trace that is not.
func TestBrowserDamage(t *testing.T) {
	var html bytes.Buffer
	if err := Write(&html, incident(t)); err != nil {
		t.Fatal(err)
	}
	p := openPage(t, html.Bytes()[:html.Len()/2])
	p.wantText("#loading", "the file is not whole", "pgraft view")
	p.shot("cut-light")
	at := bytes.Index(html.Bytes(), []byte(`id="data">`)) + 5000
	p = openPage(t, slices.Concat(html.Bytes()[:at], []byte("AAAAAAAA"), html.Bytes()[at+8:]))
	p.do(chromedp.WaitReady(chromedp.CSS(`body[data-ready="failed"]`)))
	p.wantText("body", "This page cannot show its data", "Make it again")

	file, err := os.ReadFile("../../../testdata/trace/lease_kept_in_transfer/node1.trace")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	bad := bytes.Clone(file)
	bad[len(bad)/2] ^= 1
	for name, c := range map[string]struct {
		b    []byte
		want string
	}{"cut.trace": {file[:len(file)/2], "cut off at byte"}, "damaged.trace": {bad, "damaged at byte"}} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, c.b, 0o600); err != nil {
			t.Fatal(err)
		}
		h, warnings, err := history.Load(path)
		warnings = slices.DeleteFunc(warnings, func(w string) bool { // it may be older than this core
			return strings.HasPrefix(w, "recorded by another version of the core")
		})
		if err != nil || len(warnings) != 1 {
			t.Fatalf("%s: %v, warnings %q", name, err, warnings)
		}
		p = open(t, h)
		p.wantText("#incidents", c.want)
		p.wantText("#gutter", "no record") // of the others
		p.shot(name + "-light")
	}
}

// Nobody notes on a real server that it was killed or stood still, or that its
// recorder was off: the page finds that in the steps, and does not take for lost
// what came to a node that was not recorded then.
func TestBrowserRealServers(t *testing.T) {
	h := incident(t)
	h.Moments = slices.DeleteFunc(h.Moments, func(m history.Moment) bool { return m.Kind != history.Leader })
	p := open(t, h)
	p.wantText("#incidents", "node 1: starts again, ", "leads term 3")
	if h = incident(t); strings.Count(p.text("#incidents"), "starts again") != 1 || strings.Count(open(t, h).text("#incidents"), "starts again") != 1 {
		t.Error("one start is not told once, noted or not")
	}
	resumed := false
	seen := map[int]bool{}
	for i := range h.Steps {
		s := &h.Steps[i]
		if s.Start != nil && seen[s.Lane] {
			s.Start, resumed = &history.Start{Config: s.Start.Config, Resumed: true}, true
		}
		seen[s.Lane] = true
	}
	if !resumed {
		t.Fatal("no node starts twice")
	}
	p = open(t, h)
	p.wantText("#incidents", "node 1: recorded again, ", " are missing")
	gap := eval[int](p, `app.model.lanes[0].gaps[0].start`)
	eval[any](p, fmt.Sprintf("(app.moveCursor(%d), null)", gap-1))
	p.painted()
	p.wantText("#gutter .card:nth-child(1)", "not recorded")
	if n := eval[int](p, `app.model.lanes[0].down.length`); n != 0 {
		t.Errorf("%d times down where only the record is missing", n)
	}

	inc, err := replay.Open("../../../testdata/trace/lease_kept_in_transfer")
	if err != nil {
		t.Fatal(err)
	}
	late := filepath.Join(t.TempDir(), "late.trace")
	var part bytes.Buffer
	if err := inc.Nodes[2].Cut(&part, 60, inc.Nodes[2].Inputs); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(late, part.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	h, _, err = history.Load(inc.Nodes[0].Files[0].Path, inc.Nodes[1].Files[0].Path, late)
	if err != nil {
		t.Fatal(err)
	}
	p = open(t, h)
	const early = `app.model.M.to[i] === 2 && app.model.S.at[app.model.M.sent[i]] < app.model.S.at[app.model.laneSteps[2][0]]`
	if n := eval[int](p, `[...app.model.M.to.keys()].filter((i) => `+early+`).length`); n < 10 {
		t.Errorf("only %d messages to node 3 before its record begins", n)
	}
	if n := eval[int](p, `[...app.model.lost, ...app.model.rare.filter((i) => arrow(i).lost)].filter((i) => `+early+`).length`); n != 0 {
		t.Errorf("%d messages are lost that came before node 3's record", n)
	}
}
