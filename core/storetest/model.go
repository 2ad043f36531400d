package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"maps"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/logstore"
)

// model is what a store should hold, in the plainest form: every index from
// start to last is in log or missing. Only retention is left out: it drops
// nothing.
type model struct {
	hard     core.HardState
	promise  uint64
	snapshot *core.Snapshot
	start    uint64 // the first index since the log was replaced last
	last     uint64
	log      map[uint64]core.Entry
}

func newModel() model { return model{start: 1} }

func (m model) snapshotIndex() uint64 {
	if m.snapshot == nil {
		return 0
	}
	return m.snapshot.Index
}

// write returns the model after one batch; the old one stays as it was.
func (m model) write(in core.Persist) model {
	m.log = maps.Clone(m.log)
	if m.log == nil {
		m.log = map[uint64]core.Entry{}
	}
	cut := func(last uint64) {
		maps.DeleteFunc(m.log, func(i uint64, _ core.Entry) bool { return i > last })
		m.last = last
	}
	if s := in.Snapshot; s != nil {
		if in.Keep == 0 {
			m.start = s.Index + 1
		}
		cut(in.Keep)
		m.snapshot, m.last = s, s.Index
	}
	for _, e := range in.History {
		m.log[e.Index] = e
	}
	if n := len(in.Entries); n > 0 {
		cut(in.Entries[0].Index - 1)
		for _, e := range in.Entries {
			m.log[e.Index] = e
		}
		m.last = in.Entries[n-1].Index
	}
	if in.Mark != nil && in.Mark.Index >= m.snapshotIndex() {
		m.snapshot = in.Mark
	}
	if in.HardState != nil {
		m.hard = *in.HardState
	}
	m.promise = max(m.promise, in.PromiseMillis)
	return m
}

// bounds are those of a store that holds all of m from first on.
func (m model) bounds(first uint64) logstore.Bounds {
	b := logstore.Bounds{First: first, Last: m.last, Bytes: m.bytesFrom(first)}
	for i := first; i <= m.last; i++ {
		n := len(b.Gaps)
		switch _, ok := m.log[i]; {
		case ok:
		case n > 0 && b.Gaps[n-1].To == i-1:
			b.Gaps[n-1].To = i
		default:
			b.Gaps = append(b.Gaps, core.Gap{From: i, To: i})
		}
	}
	return b
}

func (m model) bytesFrom(first uint64) (n uint64) {
	for i, e := range m.log {
		if i >= first {
			n += uint64(len(e.Data))
		}
	}
	return n
}

// entries are those from first to last, up to one that is missing.
func (m model) entries(first, last uint64) (es []core.Entry) {
	for i := first; i <= last; i++ {
		e, ok := m.log[i]
		if !ok {
			break
		}
		es = append(es, e)
	}
	return es
}

// differs says in what s is not m, nil if nothing. Where s begins is another
// test's business.
func (m model) differs(s logstore.Store) error {
	d, err := s.Load()
	if err != nil {
		return err
	}
	want := m.bounds(s.Bounds().First)
	switch {
	case d.HardState != m.hard:
		return fmt.Errorf("hard state is %v instead of %v", d.HardState, m.hard)
	case d.PromiseMillis != m.promise:
		return fmt.Errorf("promise is %d ms instead of %d", d.PromiseMillis, m.promise)
	case (d.Snapshot == nil) != (m.snapshot == nil):
		return fmt.Errorf("snapshot is %v instead of %v", d.Snapshot, m.snapshot)
	case m.snapshot != nil && !sameSnapshot(*d.Snapshot, *m.snapshot):
		return fmt.Errorf("snapshot is at %d, term %d instead of %d, %d", d.Snapshot.Index, d.Snapshot.Term, m.snapshot.Index, m.snapshot.Term)
	case fmt.Sprint(d.Gaps) != fmt.Sprint(want.Gaps):
		return fmt.Errorf("loaded gaps are %v instead of %v", d.Gaps, want.Gaps)
	}
	if err := sameEntries(d.Entries, m.entries(m.snapshotIndex()+1, m.last)); err != nil {
		return fmt.Errorf("loaded: %w", err)
	}
	return m.historyDiffers(s, want)
}

// historyDiffers looks at what is beside Load: the whole log and its bounds.
func (m model) historyDiffers(s logstore.Store, want logstore.Bounds) error {
	b := s.Bounds()
	if b.First < m.start || b.First > m.snapshotIndex()+1 {
		return fmt.Errorf("the log begins at %d instead of one from %d to %d", b.First, m.start, m.snapshotIndex()+1)
	}
	if fmt.Sprint(b) != fmt.Sprint(want) {
		return fmt.Errorf("bounds are %v instead of %v", b, want)
	}
	for i := b.First; i <= b.Last; i++ {
		if es := m.entries(i, b.Last); len(es) > 0 {
			got, err := s.Entries(i, b.Last, ^uint64(0))
			if err != nil {
				return fmt.Errorf("entries %d to %d: %w", i, b.Last, err)
			}
			if err := sameEntries(got, es); err != nil {
				return fmt.Errorf("entries %d to %d: %w", i, b.Last, err)
			}
			i += uint64(len(es)) - 1
			continue
		}
		var gap *logstore.GapError
		if _, err := s.Entries(i, i, 0); !errors.As(err, &gap) || gap.Gap.From > i || gap.Gap.To < i {
			return fmt.Errorf("entry %d, in a gap: %v", i, err)
		}
	}
	var compacted *logstore.CompactedError
	if _, err := s.Entries(b.First-1, b.First-1, 0); !errors.As(err, &compacted) || compacted.First != b.First {
		return fmt.Errorf("entry %d, before the first: %v", b.First-1, err)
	}
	var beyond *logstore.BeyondError
	if _, err := s.Entries(b.Last+1, b.Last+1, 0); !errors.As(err, &beyond) || beyond.Last != b.Last {
		return fmt.Errorf("entry %d, after the last: %v", b.Last+1, err)
	}
	return nil
}

func sameSnapshot(a, b core.Snapshot) bool {
	return a.Index == b.Index && a.Term == b.Term && bytes.Equal(a.Data, b.Data)
}

func sameEntries(got, want []core.Entry) error {
	if len(got) != len(want) {
		return fmt.Errorf("%d entries instead of %d", len(got), len(want))
	}
	for i := range got {
		g, w := got[i], want[i]
		if g.Index != w.Index || g.Term != w.Term || g.Kind != w.Kind || !bytes.Equal(g.Data, w.Data) {
			return fmt.Errorf("entry %d of term %d (kind %d, %d bytes) instead of %d of term %d (kind %d, %d bytes)",
				g.Index, g.Term, g.Kind, len(g.Data), w.Index, w.Term, w.Kind, len(w.Data))
		}
	}
	return nil
}

// history is the models after each batch, and which of them are durable.
type history struct {
	models  []model
	durable int // index of the newest model that must survive a crash
}

func newHistory() *history { return &history{models: []model{newModel()}} }

func (h *history) now() model { return h.models[len(h.models)-1] }

func (h *history) add(m model) { h.models = append(h.models, m) }

func (h *history) synced() { h.durable = len(h.models) - 1 }

// survived finds which model a store is after a crash and makes it the newest:
// it has been read, so it has to stay.
func (h *history) survived(s logstore.Store) error {
	var errs []error
	for i := len(h.models) - 1; i >= h.durable; i-- {
		err := h.models[i].differs(s)
		if err == nil {
			h.models = h.models[:i+1]
			h.synced()
			return nil
		}
		errs = append(errs, fmt.Errorf("it is not the state after batch %d: %w", i, err))
	}
	return errors.Join(errs...)
}
