package replay

import (
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
	"github.com/pgraft/pgraft/core/trace"
)

// told is what a node has answered to others, which rely on it: it must find
// that on its disk when it starts again.
type told struct {
	term, vote uint64 // the newest vote that it granted
	voter      string // to whom
	in, index  uint64 // the newest term in which it said that it has entries, and up to which
}

// sends takes down the answers in a step's output.
func (t *told) sends(out core.Output) {
	for _, s := range out.Send {
		var env corepb.Envelope
		if proto.Unmarshal(s.Data, &env) != nil {
			continue // describe shows it as what it is
		}
		m := env.GetRaft()
		if m == nil || m.GetReject() {
			continue
		}
		switch m.GetType() {
		case pb.MsgVoteResp:
			t.term, t.vote, t.voter = m.GetTerm(), s.To, node(s.To)
		case pb.MsgAppResp:
			if m.GetTerm() > t.in {
				t.in, t.index = m.GetTerm(), 0
			}
			t.index = max(t.index, m.GetIndex())
		}
	}
}

// told compares a start with what the node had answered before.
func (k *Checker) told(e *Event, t *told, b *trace.Boot) {
	h := b.Durable.HardState
	switch {
	case h.Term < t.term:
		k.fail(e, checkBack, t.term, "it starts in term %d, but had given %s its vote in term %d", h.Term, t.voter, t.term)
	case h.Term == t.term && t.vote != 0 && h.Vote != t.vote:
		k.fail(e, checkBack, t.term, "it starts with its vote in term %d for node %d, but had given it to %s", h.Term, core.NodeID(h.Vote), t.voter)
	}
	last := uint64(0)
	if s := b.Durable.Snapshot; s != nil {
		last = s.Index
	}
	if n := len(b.Durable.Entries); n > 0 {
		last = b.Durable.Entries[n-1].Index
	}
	// In a later term another leader may have overwritten it.
	if h.Term == t.in && last < t.index {
		k.fail(e, checkBack, t.index, "its log ends at %d when it starts, but it had said in term %d that it has entry %d", last, t.in, t.index)
	}
}
