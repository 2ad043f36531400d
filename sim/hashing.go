package sim

import (
	"fmt"

	"github.com/pgraft/pgraft/core"
)

// What goes into the hash of a run: every input and every output, all fields.

func (w *World) hashInput(n *node, in core.Input) {
	if b, ok := in.(core.Batch); ok {
		w.hash.words(10, uint64(len(b.Inputs)))
		for _, in := range b.Inputs {
			w.hashInput(n, in)
		}
		return
	}
	h := &w.hash
	h.word(uint64(n.id))
	switch in := in.(type) {
	case core.Tick:
		h.word(1)
	case core.Receive:
		h.words(2, in.From)
		h.bytes(in.Data)
	case core.Persisted:
		h.words(3, in.Seq)
		if in.First > 0 {
			h.word(in.First)
		}
	case core.Applied:
		h.words(4, in.Index)
	case core.Propose:
		h.words(5, in.ID)
		h.bytes(in.RequestID[:])
		h.bytes(in.Data)
	case core.Cancel:
		h.words(6, in.ID)
	case core.PeerUnreachable:
		h.words(7, in.RaftID)
	case core.PeerClosed:
		h.words(15, in.RaftID)
		h.flag(in.Closed)
	case core.SnapshotSent:
		h.words(8, in.RaftID)
		h.flag(in.OK)
	case core.AddNode: // with the fields that it began with, so that no seed's hash changes
		h.text(fmt.Sprintf("%T %+v", in, struct {
			ID          uint64
			NodeID      uint32
			Address     string
			Port        uint32
			ReplicaUUID [16]byte
		}{in.ID, in.NodeID, in.Address, in.Port, in.ReplicaUUID}))
	case core.ReplaceNode:
		h.text(fmt.Sprintf("%T %+v", in, struct {
			ID          uint64
			OldNodeID   uint32
			NodeID      uint32
			Address     string
			Port        uint32
			ReplicaUUID [16]byte
		}{in.ID, in.OldNodeID, in.NodeID, in.Address, in.Port, in.ReplicaUUID}))
	case core.HistoryRead:
		h.words(9, in.Ticket, in.First, uint64(len(in.Entries)))
		h.flag(in.Failed)
	case core.FailoverServer:
		w.encoded = core.EncodeInput(w.encoded[:0], in)
		h.bytes(w.encoded)
	default: // rare ones
		h.text(fmt.Sprintf("%T %+v", in, in))
	}
}

func (w *World) hashStatus(s *core.Status) {
	w.hash.words(s.RaftID, uint64(s.Role), s.Lead, s.Term, s.Commit, s.Applied, s.Last, s.Tick, s.LeaseFrom, s.LeaseTicks, uint64(s.Alarm))
}

func (w *World) hashPersist(b *core.Persist) {
	h := &w.hash
	h.words(b.Seq, b.PromiseMillis, uint64(len(b.Entries)))
	if b.Version != 0 {
		h.word(uint64(b.Version))
	}
	h.flag(b.Sync)
	for i := range b.Entries {
		e := &b.Entries[i]
		h.words(e.Index, e.Term, uint64(e.Kind))
		h.bytes(e.Data)
	}
	for _, s := range [2]*core.Snapshot{b.Snapshot, b.Mark} {
		if s != nil {
			h.words(s.Index, s.Term)
			h.bytes(s.Data)
		}
	}
	if b.HardState != nil {
		h.words(b.HardState.Term, b.HardState.Vote, b.HardState.Commit)
	}
	if b.Keep > 0 || len(b.History) > 0 {
		h.words(b.Keep, uint64(len(b.History)))
		for i := range b.History {
			e := &b.History[i]
			h.words(e.Index, e.Term, uint64(e.Kind))
			h.bytes(e.Data)
		}
	}
}
