// Package storetest is the contract of a log store as tests: Run holds for every
// store.Store, whatever is below it.
package storetest

import (
	"bytes"
	"flag"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/node/store"
)

// TB is what both a test and a property of rapid give.
type TB interface {
	rapid.TB
	Cleanup(func())
}

// Disk is one disk with at most one store on it, empty at first.
type Disk interface {
	// Open opens the store that is on the disk. The one before is closed.
	Open() (store.Store, error)
	// Crash ends the open store as a crash of the machine does. Each part of
	// what was not synced stays with a probability of keepPercent.
	Crash(keepPercent int, seed uint64)
}

// Config says what to test.
type Config struct {
	// New makes an empty disk, gone when the test is over.
	New func(t TB) Disk
	// Crashes is set when Disk.Crash works.
	Crashes bool
	// DropsHistory is set when the store may drop entries that its newest
	// snapshot covers.
	DropsHistory bool
	// Histories is how many random histories are tried, unless the flag
	// -rapid.checks says another number.
	Histories int
}

// Run runs the suite.
func Run(t *testing.T, c Config) {
	t.Run("Empty", func(t *testing.T) { testEmpty(t, c) })
	t.Run("Identity", func(t *testing.T) { testIdentity(t, c) })
	t.Run("Stories", func(t *testing.T) { testStories(t, c) })
	t.Run("Entries", func(t *testing.T) { testEntries(t, c) })
	t.Run("Invariants", func(t *testing.T) { testInvariants(t, c) })
	t.Run("LargeEntries", func(t *testing.T) { testLargeEntries(t, c) })
	t.Run("ReadWhileWriting", func(t *testing.T) { testReadWhileWriting(t, c) })
	t.Run("Model", func(t *testing.T) { testModel(t, c) })
}

// bench is a disk with an open store and what should be in it.
type bench struct {
	c    Config
	disk Disk
	s    store.Store
	h    *history
}

func start(t TB, c Config) *bench {
	b := &bench{c: c, disk: c.New(t), h: newHistory()}
	b.open(t)
	// Only a test that has failed leaves a store open, and has said why.
	t.Cleanup(func() { _ = b.s.Close() })
	return b
}

func (b *bench) open(t TB) {
	t.Helper()
	s, err := b.disk.Open()
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	b.s = s
}

func (b *bench) write(t TB, batches ...core.Persist) {
	t.Helper()
	if err := b.s.Write(batches); err != nil {
		t.Fatalf("write %s: %v", describe(batches), err)
	}
	sync := false
	for _, in := range batches {
		b.h.add(b.h.now().write(in))
		sync = sync || in.Sync
	}
	if sync {
		b.h.synced()
	}
}

func (b *bench) setIdentity(t TB, id core.Identity) {
	t.Helper()
	if err := b.s.SetIdentity(id); err != nil {
		t.Fatalf("set identity: %v", err)
	}
	m := b.h.now()
	m.Identity = &id
	b.h.add(m)
	b.h.synced()
}

func (b *bench) check(t TB) {
	t.Helper()
	if err := b.h.now().differs(b.s, b.c.DropsHistory); err != nil {
		t.Fatal(err)
	}
}

// reopen closes the store, which syncs, and opens it again.
func (b *bench) reopen(t TB) {
	t.Helper()
	if err := b.s.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	b.h.synced()
	b.open(t)
	b.check(t)
}

// crash checks that all that was synced is there afterwards, and of the rest
// whole batches, none without those before it.
func (b *bench) crash(t TB, keepPercent int, seed uint64) {
	t.Helper()
	b.disk.Crash(keepPercent, seed)
	b.open(t)
	if err := b.h.survived(b.s, b.c.DropsHistory); err != nil {
		t.Fatalf("after a crash that kept %d %% of what was not synced (seed %d), batch %d of %d durable:\n%v",
			keepPercent, seed, b.h.durable, len(b.h.models)-1, err)
	}
}

// Entries makes n entries from index on, with data that tells them apart.
func Entries(index uint64, n int, term uint64, size int) []core.Entry {
	es := make([]core.Entry, n)
	for i := range es {
		es[i] = core.Entry{Index: index + uint64(i), Term: term, Kind: core.EntryKind(index+uint64(i)) % 3}
		if size > 0 {
			seed := fmt.Appendf(nil, "%d.%d ", term, es[i].Index)
			es[i].Data = bytes.Repeat(seed, size/len(seed)+1)[:size]
		}
	}
	return es
}

func describe(batches []core.Persist) string {
	var b strings.Builder
	for _, in := range batches {
		b.WriteString("{")
		if in.Snapshot != nil {
			fmt.Fprintf(&b, " snapshot %d", in.Snapshot.Index)
		}
		if n := len(in.Entries); n > 0 {
			fmt.Fprintf(&b, " entries %d to %d", in.Entries[0].Index, in.Entries[n-1].Index)
		}
		if in.Mark != nil {
			fmt.Fprintf(&b, " mark %d", in.Mark.Index)
		}
		if in.HardState != nil {
			fmt.Fprintf(&b, " hard state %v", *in.HardState)
		}
		fmt.Fprintf(&b, " sync %v }", in.Sync)
	}
	return b.String()
}

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
	given := map[string]bool{}
	flag.Visit(func(f *flag.Flag) { given[f.Name] = true })
	for name, value := range map[string]string{"rapid.seed": "20100913", "rapid.checks": fmt.Sprint(c.Histories)} {
		f := flag.Lookup(name)
		if given[name] || f == nil {
			continue
		}
		old := f.Value.String()
		if err := f.Value.Set(value); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := f.Value.Set(old); err != nil {
				t.Error(err)
			}
		})
	}
}

// generator draws batches that keep the log's invariants.
type generator struct{ term uint64 }

func (g *generator) batch(t *rapid.T, m model, seq uint64) core.Persist {
	in := core.Persist{Seq: seq, Sync: rapid.Bool().Draw(t, "sync")}
	if rapid.IntRange(0, 9).Draw(t, "snapshot") == 0 {
		index := m.last() + rapid.Uint64Range(1, 5).Draw(t, "ahead")
		in.Snapshot = &core.Snapshot{Index: index, Term: g.term, Data: Entries(index, 1, g.term, 40)[0].Data}
	}
	after := m.write(in)
	if rapid.IntRange(0, 3).Draw(t, "entries") > 0 {
		from := after.last() + 1
		if rapid.IntRange(0, 3).Draw(t, "truncate") == 0 {
			g.term++
			from = rapid.Uint64Range(max(after.snapshotIndex()+1, after.Start), from).Draw(t, "from")
		}
		size := rapid.SampledFrom([]int{0, 1, 30, 3000, 100_000}).Draw(t, "size")
		in.Entries = Entries(from, rapid.IntRange(1, 4).Draw(t, "count"), g.term, size)
		after = m.write(in)
	}
	if after.last() > after.snapshotIndex() && rapid.IntRange(0, 5).Draw(t, "mark") == 0 {
		index := rapid.Uint64Range(after.snapshotIndex()+1, after.last()).Draw(t, "at")
		in.Mark = &core.Snapshot{Index: index, Term: g.term, Data: []byte("mark")}
	}
	// The log never ends before the commit index. Here a truncation may go back
	// before it, unlike in Raft, and then brings a hard state with it.
	if rapid.Bool().Draw(t, "hard") || m.Hard.Commit > after.last() {
		in.HardState = &core.HardState{Term: g.term, Vote: 1 + g.term%3, Commit: after.snapshotIndex()}
	}
	in.PromiseMillis = rapid.SampledFrom([]uint64{0, 0, 0, 500, 900}).Draw(t, "promise")
	return in
}

func isPanic(f func()) (text string) {
	defer func() {
		if r := recover(); r != nil {
			text = fmt.Sprint(r)
		}
	}()
	f()
	return ""
}
