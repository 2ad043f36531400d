//go:build browser

package view

import (
	"fmt"
	"testing"

	"github.com/pgraft/pgraft/tools/internal/history"
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
