package checkpoint

import "go.etcd.io/raft/v3"

// The walk through the library's state. What becomes of each field stands in
// the table.

func (c *Codec) node(n *rawNodeMirror) {
	c.Flag(&n.asyncStorageWrites)
	Pointer(c, &n.prevSoftSt, func(s *raft.SoftState) { c.Uint(&s.Lead); Number(c, &s.RaftState) })
	Message(c, &n.prevHardSt)
	c.raft(n.raft)
	c.raftLog(n.raft.raftLog)
	c.tracker(&n.raft.trk)
	Pointer(c, &n.raft.readOnly, c.readOnly)
}

func (c *Codec) raft(r *raftMirror) {
	c.Uint(&r.id)
	c.Uint(&r.Term)
	c.Uint(&r.Vote)
	List(c, &r.readStates, func(s *raft.ReadState) { c.Uint(&s.Index); c.Blob(&s.RequestCtx) })
	c.Uint(&r.maxMsgSize)
	c.Uint(&r.maxUncommittedSize)
	Number(c, &r.state)
	c.Flag(&r.isLearner)
	Messages(c, &r.msgs)
	Messages(c, &r.msgsAfterAppend)
	c.Uint(&r.lead)
	c.Uint(&r.leadTransferee)
	c.Uint(&r.pendingConfIndex)
	c.Flag(&r.disableConfChangeValidation)
	c.Uint(&r.uncommittedSize)
	Number(c, &r.electionElapsed)
	Number(c, &r.heartbeatElapsed)
	c.Flag(&r.checkQuorum)
	c.Flag(&r.preVote)
	Number(c, &r.heartbeatTimeout)
	Number(c, &r.electionTimeout)
	if !c.Writing() { // random and, with the core's own timer, never read
		r.randomizedElectionTimeout = r.electionTimeout
	}
	c.Flag(&r.disableProposalForwarding)
	c.Flag(&r.stepDownOnRemoval)
	Messages(c, &r.pendingReadIndexMessages)
}

func (c *Codec) raftLog(l *raftLogMirror) {
	c.Uint(&l.committed)
	c.Uint(&l.applying)
	c.Uint(&l.applied)
	c.Uint(&l.maxApplyingEntsSize)
	c.Uint(&l.applyingEntsSize)
	c.Flag(&l.applyingEntsPaused)
	Message(c, &l.unstable.snapshot)
	c.Entries(&l.unstable.entries)
	c.Uint(&l.unstable.offset)
	c.Flag(&l.unstable.snapshotInProgress)
	c.Uint(&l.unstable.offsetInProgress)
}

func (c *Codec) tracker(t *trackerMirror) {
	c.set(&t.Config.Voters[0])
	c.set(&t.Config.Voters[1])
	c.Flag(&t.Config.AutoLeave)
	c.set(&t.Config.Learners)
	c.set(&t.Config.LearnersNext)
	ByID(c, &t.Progress, func(p **progressMirror) { Pointer(c, p, c.progress) })
	ByID(c, &t.Votes, c.Flag)
	Number(c, &t.MaxInflight)
	c.Uint(&t.MaxInflightBytes)
}

func (c *Codec) set(p *map[uint64]struct{}) { ByID(c, p, func(*struct{}) {}) }

func (c *Codec) progress(p *progressMirror) {
	c.Uint(&p.Match)
	c.Uint(&p.Next)
	c.Uint(&p.sentCommit)
	Number(c, &p.State)
	c.Uint(&p.PendingSnapshot)
	c.Flag(&p.RecentActive)
	c.Flag(&p.MsgAppFlowPaused)
	c.Flag(&p.IsLearner)
	Pointer(c, &p.Inflights, c.inflights)
}

// inflights writes the ring from its start: where that lies in the buffer, and
// how far the buffer has grown, cannot be observed.
func (c *Codec) inflights(f *inflightsMirror) {
	Number(c, &f.size)
	c.Uint(&f.maxBytes)
	c.Uint(&f.bytes)
	var window []inflightMirror
	if c.Writing() {
		window = make([]inflightMirror, f.count)
		for i := range window {
			window[i] = f.buffer[(f.start+i)%f.size]
		}
	}
	List(c, &window, func(x *inflightMirror) { c.Uint(&x.index); c.Uint(&x.bytes) })
	if !c.Writing() {
		f.start, f.count, f.buffer = 0, len(window), window
	}
}

func (c *Codec) readOnly(o *readOnlyMirror) {
	Number(c, &o.option)
	ByID(c, &o.acks, c.Uint)
	List(c, &o.unconfirmedReads, func(p **readReqMirror) {
		Pointer(c, p, func(q *readReqMirror) { Message(c, &q.req); c.Uint(&q.index) })
	})
	c.Uint(&o.confirmedReads)
}
