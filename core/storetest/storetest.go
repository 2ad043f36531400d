// Package storetest is the contract of a log store (package logstore) as tests:
// Run holds for every logstore.Store, whatever is below it.
package storetest

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/logstore"
)

// TB is what both a test and a property of rapid give.
type TB interface {
	rapid.TB
	Cleanup(func())
}

// Disk is one disk with at most one store on it, empty at first.
type Disk interface {
	// Open opens the store that is on the disk. The one before is closed.
	Open() (logstore.Store, error)
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
	// Concurrent is set when the store may be read while it is written.
	Concurrent bool
	// Retention is what Disk.Open opens a store with.
	Retention logstore.Retention
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
	t.Run("Gaps", func(t *testing.T) { testGaps(t, c) })
	t.Run("Retention", func(t *testing.T) { testRetention(t, c) })
	t.Run("RetentionOfGaps", func(t *testing.T) { testRetentionOfGaps(t, c) })
	t.Run("Invariants", func(t *testing.T) { testInvariants(t, c) })
	t.Run("LargeEntries", func(t *testing.T) { testLargeEntries(t, c) })
	if c.Concurrent {
		t.Run("ReadWhileWriting", func(t *testing.T) { testReadWhileWriting(t, c) })
	}
	t.Run("Model", func(t *testing.T) { testModel(t, c) })
}

// bench is a disk with an open store and what should be in it.
type bench struct {
	c         Config
	disk      Disk
	s         logstore.Store
	h         *history
	identity  *core.Identity
	first     uint64 // where the log began last
	retention logstore.Retention
}

func start(t TB, c Config) *bench {
	b := &bench{c: c, disk: c.New(t), h: newHistory(), first: 1, retention: c.Retention.WithDefaults()}
	b.open(t)
	// Only a test that has failed leaves a store open, and has said why.
	t.Cleanup(func() { _ = b.s.Close() })
	return b
}

// open opens the store with the retention that it had.
func (b *bench) open(t TB) {
	t.Helper()
	s, err := b.disk.Open()
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	b.s = s
	if b.retention == b.c.Retention.WithDefaults() {
		return
	}
	if err := s.SetRetention(b.retention); err != nil {
		t.Fatalf("set retention %+v: %v", b.retention, err)
	}
}

func (b *bench) write(t TB, batches ...core.Persist) {
	t.Helper()
	if err := b.s.Write(batches); err != nil {
		t.Fatalf("write %s: %v", describe(batches), err)
	}
	sync, before := false, len(b.h.models)
	for _, in := range batches {
		b.h.add(b.h.now().write(in))
		sync = sync || in.Sync
	}
	b.trimmed(t, b.h.models[before:])
	if sync {
		b.h.synced()
	}
}

func (b *bench) setIdentity(t TB, id core.Identity) {
	t.Helper()
	if err := b.s.SetIdentity(id); err != nil {
		t.Fatalf("set identity: %v", err)
	}
	b.identity = &id
}

func (b *bench) setRetention(t TB, r logstore.Retention) {
	t.Helper()
	if err := b.s.SetRetention(r); err != nil {
		t.Fatalf("set retention %+v: %v", r, err)
	}
	b.retention = r.WithDefaults()
	b.trimmed(t, []model{b.h.now()})
}

// kept is the first index, before or later, that the limits keep.
func (b *bench) kept(m model, before uint64) uint64 {
	limit := m.snapshotIndex() + 1
	if b.retention.RetainFrom != 0 {
		limit = min(limit, b.retention.RetainFrom)
	}
	for before < limit && (m.last-before+1 > b.retention.RetainEntries || m.bytesFrom(before) > b.retention.RetainBytes) {
		before++
	}
	return before
}

// trimmed checks that retention has dropped what is over the limits by more than
// an eighth, and nothing that was within them after each of the batches that were
// written.
func (b *bench) trimmed(t TB, written []model) {
	t.Helper()
	m, r := b.h.now(), b.retention
	before, first := max(b.first, m.start), b.s.Bounds().First
	keep, most := b.kept(m, before), before
	for _, m := range written {
		most = max(most, b.kept(m, max(b.first, m.start)))
	}
	if first < before || first > most {
		t.Fatalf("the log begins at %d; it began at %d, and from %d on it is kept: %+v", first, before, most, r)
	}
	over := m.last-first+1 > r.RetainEntries+r.RetainEntries/8 || m.bytesFrom(first) > r.RetainBytes+r.RetainBytes/8
	much := keep >= first+max(1, r.RetainEntries/8) || keep > first && m.bytesFrom(first)-m.bytesFrom(keep) >= max(1, r.RetainBytes/8)
	if over && much {
		t.Fatalf("the log begins at %d, and is to be kept from %d on: %+v", first, keep, r)
	}
	b.first = first
}

func (b *bench) check(t TB) {
	t.Helper()
	if err := b.h.now().differs(b.s); err != nil {
		t.Fatal(err)
	}
	b.checkIdentity(t)
}

func (b *bench) checkIdentity(t TB) {
	t.Helper()
	id, ok, err := b.s.Identity()
	if err != nil || ok != (b.identity != nil) || ok && id != *b.identity {
		t.Fatalf("identity is %v, %v instead of %v (%v)", id, ok, b.identity, err)
	}
}

// reopen closes the store, which syncs, and opens it again. What retention has
// dropped may be there again.
func (b *bench) reopen(t TB) {
	t.Helper()
	if err := b.s.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	b.h.synced()
	b.open(t)
	b.check(t)
	b.first = b.s.Bounds().First
}

// crash checks that all that was synced is there afterwards, and of the rest
// whole batches, none without those before it. What retention has dropped may be
// there again.
func (b *bench) crash(t TB, keepPercent int, seed uint64) {
	t.Helper()
	b.disk.Crash(keepPercent, seed)
	b.open(t)
	if err := b.h.survived(b.s); err != nil {
		t.Fatalf("after a crash that kept %d %% of what was not synced (seed %d), batch %d of %d durable:\n%v",
			keepPercent, seed, b.h.durable, len(b.h.models)-1, err)
	}
	b.checkIdentity(t)
	b.first = b.s.Bounds().First
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
			fmt.Fprintf(&b, " snapshot %d, keep %d", in.Snapshot.Index, in.Keep)
		}
		if n := len(in.History); n > 0 {
			fmt.Fprintf(&b, " history %d to %d", in.History[0].Index, in.History[n-1].Index)
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
