package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/node/store"
)

// model is what a store should hold, in the plainest form. It never drops
// history.
type model struct {
	Identity *core.Identity
	Hard     core.HardState
	Promise  uint64
	Snapshot *core.Snapshot
	Start    uint64 // index of Log[0], also when the log is empty
	Log      []core.Entry
}

func newModel() model { return model{Start: 1} }

func (m model) last() uint64 { return m.Start + uint64(len(m.Log)) - 1 }

func (m model) snapshotIndex() uint64 {
	if m.Snapshot == nil {
		return 0
	}
	return m.Snapshot.Index
}

// write returns the model after one batch; the old one stays as it was.
func (m model) write(in core.Persist) model {
	if s := in.Snapshot; s != nil {
		m.Snapshot, m.Start, m.Log = s, s.Index+1, nil
	}
	if len(in.Entries) > 0 {
		keep := in.Entries[0].Index - m.Start
		m.Log = append(slices.Clone(m.Log[:keep]), in.Entries...)
	}
	if in.Mark != nil && in.Mark.Index >= m.snapshotIndex() {
		m.Snapshot = in.Mark
	}
	if in.HardState != nil {
		m.Hard = *in.HardState
	}
	m.Promise = max(m.Promise, in.PromiseMillis)
	return m
}

// differs says in what s is not m, nil if nothing.
func (m model) differs(s store.Store, dropsHistory bool) error {
	id, ok, err := s.Identity()
	switch {
	case err != nil:
		return err
	case ok != (m.Identity != nil), ok && id != *m.Identity:
		return fmt.Errorf("identity is %v, %v instead of %v", id, ok, m.Identity)
	}
	d, err := s.Load()
	if err != nil {
		return err
	}
	tail := m.Log[m.snapshotIndex()+1-m.Start:]
	switch {
	case d.HardState != m.Hard:
		return fmt.Errorf("hard state is %v instead of %v", d.HardState, m.Hard)
	case d.PromiseMillis != m.Promise:
		return fmt.Errorf("promise is %d ms instead of %d", d.PromiseMillis, m.Promise)
	case (d.Snapshot == nil) != (m.Snapshot == nil):
		return fmt.Errorf("snapshot is %v instead of %v", d.Snapshot, m.Snapshot)
	case m.Snapshot != nil && !sameSnapshot(*d.Snapshot, *m.Snapshot):
		return fmt.Errorf("snapshot is at %d, term %d instead of %d, %d", d.Snapshot.Index, d.Snapshot.Term, m.Snapshot.Index, m.Snapshot.Term)
	}
	if err := sameEntries(d.Entries, tail); err != nil {
		return fmt.Errorf("loaded: %w", err)
	}
	return m.historyDiffers(s, dropsHistory)
}

// historyDiffers looks at what is beside Load: the whole log and its bounds.
func (m model) historyDiffers(s store.Store, dropsHistory bool) error {
	b := s.Bounds()
	switch {
	case b.Last != m.last(),
		b.First < m.Start, b.First > m.snapshotIndex()+1,
		!dropsHistory && b.First != m.Start:
		return fmt.Errorf("bounds are %d to %d instead of %d to %d, snapshot at %d", b.First, b.Last, m.Start, m.last(), m.snapshotIndex())
	}
	want := m.Log[b.First-m.Start:]
	got, err := s.Entries(b.First, b.Last, ^uint64(0))
	if err != nil {
		return err
	}
	if err := sameEntries(got, want); err != nil {
		return fmt.Errorf("history: %w", err)
	}
	var size uint64
	for _, e := range want {
		size += uint64(len(e.Data))
	}
	if size != b.Bytes {
		return fmt.Errorf("bounds say %d bytes instead of %d", b.Bytes, size)
	}
	var compacted *store.CompactedError
	if _, err := s.Entry(b.First - 1); !errors.As(err, &compacted) || compacted.First != b.First {
		return fmt.Errorf("entry %d, before the first: %v", b.First-1, err)
	}
	var beyond *store.BeyondError
	if _, err := s.Entry(b.Last + 1); !errors.As(err, &beyond) || beyond.Last != b.Last {
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
func (h *history) survived(s store.Store, dropsHistory bool) error {
	var errs []error
	for i := len(h.models) - 1; i >= h.durable; i-- {
		err := h.models[i].differs(s, dropsHistory)
		if err == nil {
			h.models = h.models[:i+1]
			h.synced()
			return nil
		}
		errs = append(errs, fmt.Errorf("it is not the state after batch %d: %w", i, err))
	}
	return errors.Join(errs...)
}
