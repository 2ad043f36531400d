package core

import (
	"fmt"
	"slices"

	pb "go.etcd.io/raft/v3/raftpb"
)

// storage is what has been handed to the host and is not answered yet. The
// library's responses to a write stay here until the host says that the write
// is durable: nothing is acknowledged earlier (etcd issue 14370).
type storage struct {
	seq         uint64 // of the newest batch
	batches     []batch
	applies     []pendingApply
	libApplied  uint64 // what the library knows to be applied
	marked      uint64 // index of the newest mark handed out
	durableMark uint64 // index of the newest mark that is stored
	lookedAt    uint64 // applied index at which it was looked last whether a mark is due
	// due is what the newest commit index that was not handed out goes with; zero: there
	// is none. It goes out with the next batch, at a tick at the latest.
	due HardState
	// readable is up to which index the log store holds what is committed, while the
	// leader's snapshot is on its way there.
	readable uint64
}

type batch struct {
	seq       uint64
	responses []*pb.Message
	mark      uint64 // index of the mark in it, or 0
	installs  bool   // it has the leader's snapshot
	filled    uint64 // last index of the history in it, or 0
}

// emit numbers a batch and hands it out.
func (c *Core) emit(p Persist, responses []*pb.Message) uint64 {
	if p.HardState == nil && c.storage.due != (HardState{}) {
		p.HardState = new(c.storage.due)
	}
	c.storage.due = HardState{}
	c.storage.seq++
	p.Seq = c.storage.seq
	b := batch{seq: p.Seq, responses: responses, installs: p.Snapshot != nil}
	if p.Mark != nil {
		b.mark = p.Mark.Index
	}
	if n := len(p.History); n > 0 {
		b.filled = p.History[n-1].Index
	}
	c.storage.batches = append(c.storage.batches, b)
	c.out.Persist = append(c.out.Persist, p)
	return p.Seq
}

// persist turns the library's MsgStorageAppend into a batch. It is synced if it has
// what must not be lost: a snapshot, or, as the library says, entries, a new term or a
// vote. A commit index alone may be lost, and waits for the next batch. But it is synced
// where it passes a change of the members, from the commit index before on: nodes that
// all lost it would go by a quorum that their cluster has left.
func (c *Core) persist(m *pb.Message, sync bool, before uint64) {
	p := Persist{Sync: sync}
	if s := m.GetSnapshot(); s != nil {
		p.Sync = true
		p.Snapshot = fromRaftSnapshot(s)
		c.storage.readable, p.Keep = c.readable(), c.keep(s)
		c.restoreSnapshot(s)
		p.Version = c.machine.needs()
	}
	if es := m.GetEntries(); len(es) > 0 {
		p.Entries = make([]Entry, len(es))
		for i, e := range es {
			p.Entries[i] = fromRaft(e)
			c.noticeRefusal(e)
		}
		c.log.append(es)
		c.last = es[len(es)-1].GetIndex()
		for i := range p.Entries {
			p.Version = max(p.Version, entryVersion(p.Entries[i]))
		}
	}
	if m.Term != nil {
		hard := HardState{Term: m.GetTerm(), Vote: m.GetVote(), Commit: m.GetCommit()}
		if p.Sync = p.Sync || c.log.changesMembers(before, hard.Commit); p.Sync {
			p.HardState = new(hard)
		} else {
			c.storage.due = hard
		}
	}
	if !p.Sync {
		c.respondLater(m.GetResponses())
		return
	}
	c.emit(p, m.GetResponses())
}

// respondLater delivers responses that rest on what was handed out before, and on
// nothing else: at once if all of it is durable.
func (c *Core) respondLater(ms []*pb.Message) {
	if n := len(c.storage.batches); n > 0 {
		b := &c.storage.batches[n-1]
		b.responses = append(b.responses, ms...)
		return
	}
	for _, m := range ms {
		c.respond(m)
	}
}

// writeDue hands out a commit index that has waited for a batch.
func (c *Core) writeDue() {
	if c.storage.due != (HardState{}) {
		c.emit(Persist{}, nil)
	}
}

// persisted releases what waited for batches up to seq.
func (c *Core) persisted(seq uint64) {
	if seq > c.storage.seq {
		panic(fmt.Sprintf("persisted %d, but only %d was handed out", seq, c.storage.seq))
	}
	n := 0
	for ; n < len(c.storage.batches) && c.storage.batches[n].seq <= seq; n++ {
		b := c.storage.batches[n]
		for _, m := range b.responses {
			c.respond(m)
		}
		if b.mark > 0 {
			c.storage.durableMark = max(c.storage.durableMark, b.mark)
			c.compact()
		}
		if b.filled > 0 {
			c.retain.Filled(b.filled, c.around())
		}
	}
	c.storage.batches = slices.Delete(c.storage.batches, 0, n)
	if p := &c.promise; p.pendingSeq > 0 && seq >= p.pendingSeq {
		p.durableMillis = max(p.durableMillis, p.pendingMillis)
		p.pendingSeq, p.pendingMillis = 0, 0
	}
}

// respond delivers a response of the library's: to itself, or to a member. A vote
// that waited for the disk while this node heard that it lost data stays here.
func (c *Core) respond(m *pb.Message) {
	if c.lost && elects(m) {
		return
	}
	if m.GetTo() == c.self {
		c.step(m)
		return
	}
	c.sendRaft(m)
}
