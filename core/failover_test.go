package core_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/pgraft/pgraft/core"
)

// The stories of failover once more: after each step a core is made of a checkpoint,
// and it does the same with the next input, to the byte; and what was recorded replays.
func TestFailoverReplays(t *testing.T) {
	paths, err := filepath.Glob("../testdata/core/failover_*.txt")
	if err != nil || len(paths) < 4 {
		t.Fatalf("%v: %v", paths, err)
	}
	restored := 0
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			s := &script{cluster: newCluster()}
			rec := &tapes{t: t, of: map[*node]*tape{}, seen: map[string]int{}}
			again := map[*node]*core.Core{}
			decided := 0
			s.onStart = func(n *node, cfg core.Config, d core.Durable) {
				delete(again, n)
				rec.start(n, cfg, d)
			}
			s.onStep = func(n *node, in core.Input, out core.Output) {
				rec.step(n, in, out)
				if c := again[n]; c != nil {
					got := c.Step(in)
					var want, have core.Chain
					want.Add(&out)
					if have.Add(&got); want.Sum != have.Sum {
						t.Fatalf("node %d: %T %+v: made of a checkpoint it gives %+v, not %+v", n.key, in, in, got, out)
					}
				}
				b, err := n.core.Checkpoint()
				if err != nil {
					t.Fatal(err)
				}
				if again[n], err = core.Restore(n.config(), b); err != nil {
					t.Fatal(err)
				}
				if out.Failover != nil {
					decided++
				}
			}
			datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
				s.t, s.d = t, d
				s.out.Reset()
				if s.do(); s.out.Len() == 0 {
					return "ok"
				}
				return s.out.String()
			})
			for n, p := range rec.of {
				p.rec.End(0, "done")
				rec.take(p)
				rec.replay(n.id.ClusterID, p.files)
				for i := range p.files {
					rec.replay("a file alone", p.files[i:i+1])
				}
			}
			if off := strings.HasSuffix(path, "_off.txt"); off != (decided == 0) || rec.seen["input"] == 0 {
				t.Errorf("failover decided %d times, %v", decided, rec.seen)
			}
			restored += rec.seen["restored"]
		})
	}
	if restored == 0 {
		t.Error("no replay began with a checkpoint")
	}
}
