package storetest

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/logstore"
	"github.com/pgraft/pgraft/core/rapidtest"
)

// testModel compares a store with the model over random histories of writes,
// restarts and crashes.
func testModel(t *testing.T, c Config) {
	fixRapid(t, c)
	rapid.Check(t, func(t *rapid.T) {
		b := start(t, c)
		g := generator{term: 1}
		var seq uint64
		actions := map[string]func(*rapid.T){
			"write": func(t *rapid.T) {
				m := b.h.now()
				var batches []core.Persist
				for range rapid.IntRange(1, 3).Draw(t, "batches") {
					seq++
					in := g.batch(t, m, seq)
					m = m.write(in)
					batches = append(batches, in)
				}
				b.write(t, batches...)
			},
			"identity": func(t *rapid.T) {
				b.setIdentity(t, core.Identity{ClusterID: "c", NodeID: 3, RaftID: uint64(rapid.IntRange(0, 9).Draw(t, "raft id")),
					ReplicaUUID: [16]byte{1, 2}, Removed: rapid.Bool().Draw(t, "removed")})
			},
			"retain": func(t *rapid.T) { b.setRetention(t, retentions(t, b.h.now())) },
			"reopen": func(t *rapid.T) { b.reopen(t) },
			"":       func(t *rapid.T) { b.check(t) },
		}
		if c.Crashes {
			actions["crash"] = func(t *rapid.T) {
				b.crash(t, rapid.SampledFrom([]int{0, 50, 100}).Draw(t, "keep"), rapid.Uint64().Draw(t, "seed"))
			}
		}
		t.Repeat(actions)
		if err := b.s.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// fixRapid makes rapid's histories the same in every run, and as many as c says,
// unless the command line says otherwise.
func fixRapid(t *testing.T, c Config) {
	undo, err := rapidtest.Set(map[string]string{"rapid.seed": "20100913", "rapid.checks": fmt.Sprint(c.Histories)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := undo(); err != nil {
			t.Error(err)
		}
	})
}

// generator draws batches that keep the log's invariants.
type generator struct{ term uint64 }

func (g *generator) batch(t *rapid.T, m model, seq uint64) core.Persist {
	in := core.Persist{Seq: seq, Sync: rapid.Bool().Draw(t, "sync")}
	if rapid.IntRange(0, 9).Draw(t, "snapshot") == 0 {
		index := m.last + rapid.Uint64Range(1, 5).Draw(t, "ahead")
		in.Snapshot = &core.Snapshot{Index: index, Term: g.term, Data: Entries(index, 1, g.term, 40)[0].Data}
		if m.last > 0 && rapid.Bool().Draw(t, "keep") {
			in.Keep = rapid.Uint64Range(max(1, m.snapshotIndex()), m.last).Draw(t, "keep up to")
		}
	}
	after := m.write(in)
	if gaps := after.bounds(after.start).Gaps; len(gaps) > 0 && rapid.IntRange(0, 2).Draw(t, "history") > 0 {
		gap := rapid.SampledFrom(gaps).Draw(t, "gap")
		n := rapid.Uint64Range(1, min(4, gap.To-gap.From+1)).Draw(t, "filled")
		in.History = Entries(gap.From, int(n), g.term, rapid.SampledFrom([]int{0, 30, 3000}).Draw(t, "size"))
		after = m.write(in)
	}
	if rapid.IntRange(0, 3).Draw(t, "entries") > 0 {
		from := after.last + 1
		if rapid.IntRange(0, 3).Draw(t, "truncate") == 0 {
			g.term++
			from = rapid.Uint64Range(after.snapshotIndex()+1, from).Draw(t, "from")
		}
		size := rapid.SampledFrom([]int{0, 1, 30, 3000, 100_000}).Draw(t, "size")
		in.Entries = Entries(from, rapid.IntRange(1, 4).Draw(t, "count"), g.term, size)
		after = m.write(in)
	}
	if after.last > after.snapshotIndex() && rapid.IntRange(0, 5).Draw(t, "mark") == 0 {
		index := rapid.Uint64Range(after.snapshotIndex()+1, after.last).Draw(t, "at")
		in.Mark = &core.Snapshot{Index: index, Term: g.term, Data: []byte("mark")}
	}
	// The log never ends before the commit index. Here a truncation may go back
	// before it, unlike in Raft, and then brings a hard state with it.
	if rapid.Bool().Draw(t, "hard") || m.hard.Commit > after.last {
		in.HardState = &core.HardState{Term: g.term, Vote: 1 + g.term%3, Commit: after.snapshotIndex()}
	}
	in.PromiseMillis = rapid.SampledFrom([]uint64{0, 0, 0, 500, 900}).Draw(t, "promise")
	return in
}

// retentions draws limits around what m holds.
func retentions(t *rapid.T, m model) (r logstore.Retention) {
	if rapid.IntRange(0, 3).Draw(t, "without limits") == 0 {
		return r
	}
	r.RetainEntries = rapid.SampledFrom([]uint64{0, 1, 4, 20}).Draw(t, "retain entries")
	r.RetainBytes = rapid.SampledFrom([]uint64{0, 1, 5000, 100_000}).Draw(t, "retain bytes")
	r.RetainFrom = rapid.SampledFrom([]uint64{0, 0, 1, m.start, (m.start + m.last) / 2, m.last + 3}).Draw(t, "retain from")
	return r
}
