//go:build integration

package failover

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"github.com/pgraft/pgraft/tools/internal/history"
	"github.com/pgraft/pgraft/tools/internal/replay"
	"github.com/pgraft/pgraft/tools/internal/view"
)

// replays stops the servers, and replays what their flight recorders have: to the byte, without
// a violation of what members had told each other; and it makes a page of it. PGRAFT_TRACES
// names a directory that keeps them.
func (w *world) replays() {
	w.t.Helper()
	w.stop()
	must(w.t, w.cluster.Stop(w.ctx))
	var dirs []string
	for _, s := range w.cluster.Servers {
		dirs = append(dirs, filepath.Join(s.DataDir, "pgraft", "trace"))
	}
	inc, err := replay.Open(dirs...)
	must(w.t, err)
	if len(inc.Nodes) != len(w.cluster.Servers) {
		w.t.Errorf("%d nodes in the traces of %d", len(inc.Nodes), len(w.cluster.Servers))
	}
	verdicts, _, violations, err := inc.Verify()
	must(w.t, err)
	inputs := 0
	for _, v := range verdicts {
		if !v.Identical || v.Damaged || v.Inputs == 0 {
			w.t.Errorf("replay: %v", v)
		}
		inputs += v.Inputs
	}
	for _, v := range violations {
		w.t.Errorf("replay: %v", v)
	}
	h, _, err := history.Load(dirs...)
	must(w.t, err)
	var page bytes.Buffer
	must(w.t, view.Write(&page, h))
	w.t.Logf("%d inputs replayed to the byte; %d moments on a page of %d bytes", inputs, len(h.Moments), page.Len())
	if kept := os.Getenv("PGRAFT_TRACES"); kept != "" {
		to := filepath.Join(kept, w.t.Name())
		for i, dir := range dirs {
			must(w.t, os.CopyFS(filepath.Join(to, fmt.Sprintf("node%d", i+1)), os.DirFS(dir)))
		}
	}
}
