package core_test

import (
	"fmt"
	"maps"
	"slices"

	"github.com/pgraft/pgraft/core"
)

// node is one process with its disk and its clock. It is the core's Host.
type node struct {
	c       *cluster
	key     uint32
	id      core.Identity
	address string
	cfg     core.Config
	life    uint64 // part of the seed
	// formDraws are draws of the election timer that only forming a cluster takes: the
	// stories rest on those after it. The first start skips back as many.
	formDraws uint64
	core      *core.Core // nil: not running

	disk    image          // synced
	view    image          // as the core sees it: what is not durable included
	written []core.Persist // answered, but not synced: lost in a crash
	queue   []core.Persist // handed out, not answered
	backup  *image
	slow    bool // does not sync until told to

	paused   bool // neither ticks nor receives nor syncs
	rate     int64
	due      int64            // true time of the next tick
	moments  map[uint64]int64 // tick -> true time
	leaseEnd int64            // true time, 0 = none; outlives a crash

	status    core.Status
	hard      core.HardState
	members   core.Members
	appliedTo uint64 // last index handed out by Apply, or covered by a snapshot
	ledTerm   uint64 // newest term in which it was seen to lead
	lazy      bool   // does not apply until told to
	toApply   []uint64
	in        core.Input   // being taken
	gathered  []core.Input // for a batch
	keeper    keeper
	starts    uint64 // of its core: the boot number, if it takes part in failover
	server    server
}

// image is what a log store holds.
type image struct {
	core.Durable // without entries
	log          []core.Entry
	before       []core.Entry // what a log store still holds of the log before the snapshot
	begin        uint64       // its first index, be it in a gap; 0: the first of all
	version      uint32       // the newest that Persist.Version named
}

func (d *image) clone() image {
	return image{d.Durable, slices.Clone(d.log), slices.Clone(d.before), d.begin, d.version}
}

func (d *image) write(b core.Persist) {
	if b.Snapshot != nil {
		d.install(b)
	}
	d.fill(b.History)
	if len(b.Entries) > 0 {
		d.log = append(d.log[:b.Entries[0].Index-d.Snapshot.Index-1], b.Entries...)
	}
	if b.Mark != nil {
		n := b.Mark.Index - d.Snapshot.Index
		d.before = append(d.before, d.log[:n]...)
		d.log = slices.Clone(d.log[n:])
		d.Snapshot = b.Mark
	}
	if b.HardState != nil {
		d.HardState = *b.HardState
	}
	d.PromiseMillis = max(d.PromiseMillis, b.PromiseMillis)
	d.version = max(d.version, b.Version)
}

// term of an entry; 0 if it is not in the log.
func (d *image) term(i uint64) uint64 {
	switch {
	case d.Snapshot == nil || i < d.Snapshot.Index || i > d.Snapshot.Index+uint64(len(d.log)):
		return 0
	case i == d.Snapshot.Index:
		return d.Snapshot.Term
	}
	return d.log[i-d.Snapshot.Index-1].Term
}

// holds says whether the entry is in the log or in the snapshot before it.
func (d *image) holds(i, term uint64) bool {
	return d.Snapshot != nil && (i <= d.Snapshot.Index || d.term(i) == term)
}

// newest is the newest version that the node's build knows.
func (n *node) newest() uint32 { return max(n.cfg.Newest, core.OldestVersion) }

func (n *node) bootstrap() {
	n.id.ClusterUUID, n.id.RaftID = [16]byte{0xc1}, core.RaftID(1, n.id.NodeID)
	n.disk = image{Durable: core.Bootstrap(n.id, n.address, 7000, n.newest()), version: n.newest()}
	n.start()
}

func (n *node) start() {
	n.starts++
	cfg := n.config()
	d := n.disk.Durable
	d.Entries, d.Gaps = slices.Clone(n.disk.log), n.disk.gaps()
	var err error
	if n.disk.version > n.newest() {
		n.c.printf("%d: the store needs version %d, this build knows up to %d\n", n.key, n.disk.version, n.newest())
		return
	}
	if n.core, err = core.New(cfg, d); err != nil {
		n.core = nil
		n.c.printf("%d: %v\n", n.key, err)
		return
	}
	n.formDraws = 0
	n.moments, n.leaseEnd = map[uint64]int64{0: n.c.time}, 0
	n.due = n.c.time + n.interval()
	n.view = n.disk.clone()
	n.status, n.members, n.hard, n.appliedTo = n.core.Status(), n.core.Members(), d.HardState, 0
	if d.Snapshot != nil {
		n.appliedTo = d.Snapshot.Index
	}
	n.keeper = keeper{export: n.keeper.export, exported: map[uint64][]byte{}}
	n.c.noteVoters(n)
	if n.c.onStart != nil {
		n.c.onStart(n, cfg, d)
	}
}

func (n *node) interval() int64 { return int64(n.cfg.TickMillis) * micros * 100 / n.rate }

func (n *node) ticks() bool { return n.core != nil && !n.paused }

func (n *node) tick() {
	n.due = n.c.time + n.interval()
	n.moments[n.status.Tick+1] = n.c.time
	n.step(core.Tick{})
}

func (n *node) step(in core.Input) {
	if n.core == nil {
		n.c.printf("%d is down\n", n.key)
		return
	}
	if n.c.gathers == n {
		n.gathered = append(n.gathered, in)
		return
	}
	core.Perform(n.core, in, n)
	for len(n.keeper.todo) > 0 {
		in := n.keeper.todo[0]
		n.keeper.todo = n.keeper.todo[1:]
		core.Perform(n.core, in, n)
	}
	n.c.checkLeader(n)
}

func (n *node) apply() {
	for len(n.toApply) > 0 {
		i := n.toApply[0]
		n.toApply = n.toApply[1:]
		core.Perform(n.core, core.Applied{Index: i}, n)
	}
}

// The node as core.Host.

func (n *node) Clock() *core.Clock { return nil } // it looks at leases in true time

func (n *node) Removed() {}

func (n *node) Publish(s core.Status, _ int64) {
	n.c.checkStatus(n, s)
	n.status = s
	n.leaseEnd = 0
	if s.LeaseTicks > 0 {
		// The host may take down the moment of a tick one tick late.
		n.leaseEnd = n.moments[s.LeaseFrom] + int64(s.LeaseTicks+1)*n.interval()
	}
	n.c.checkLease()
}

func (n *node) Persist(bs []core.Persist) {
	for _, b := range bs {
		n.c.checkPersist(n, b)
		n.view.write(b)
		n.queue = append(n.queue, b)
		if b.Snapshot != nil {
			n.appliedTo = max(n.appliedTo, b.Snapshot.Index)
		}
	}
}

func (n *node) MembersChanged(m core.Members) {
	n.members = m
	n.c.noteVoters(n)
}

func (n *node) Send(s core.Send) {
	n.c.wire = append(n.c.wire, message{n.key, core.NodeID(s.To), n.id.RaftID, n.members.Get(s.To), s})
}

func (n *node) Event(e core.Event) {
	if e.Level > core.Debug {
		n.c.printf("%d: %s\n", n.key, e.Text)
	}
}

func (n *node) Apply(as []core.Apply) (taken bool) {
	for _, a := range as {
		n.c.checkApply(n, a)
		n.appliedTo = a.Index
		if n.lazy {
			n.toApply = append(n.toApply, a.Index)
		}
	}
	return !n.lazy
}

func (n *node) Reply(r core.Reply) {
	delete(n.c.history.open, r.ID)
	if n.c.onReply != nil {
		n.c.onReply(n, r)
	}
	switch {
	case r.Code == core.OK && (r.Index == 0) != (r.Term == 0):
		n.c.checkRead(n, r)
		n.c.printf("%d: reply %d: ok: index %d term %d\n", n.key, r.ID, r.Index, r.Term)
	case r.Code == core.OK && n.c.failoverCalls[r.ID]:
		n.c.printf("%d: reply %d: done at %d/%d\n", n.key, r.ID, r.Index, r.Term)
	case r.Code == core.OK && r.Index > 0:
		n.c.checkAck(n, r)
		n.c.printf("%d: reply %d: ok at %d/%d\n", n.key, r.ID, r.Index, r.Term)
	case r.Code == core.OK:
		n.c.printf("%d: reply %d: ok\n", n.key, r.ID)
	default:
		n.c.checkRefusal(n, r)
		text := r.Text
		if r.Detail != "" {
			text += " (" + r.Detail + ")"
		}
		n.c.printf("%d: reply %d: %s: %s\n", n.key, r.ID, codeNames[r.Code], text)
	}
}

var codeNames = map[core.Code]string{core.NotLeader: "not leader", core.Busy: "busy", core.TooLarge: "too large", core.Unknown: "unknown",
	core.NoSuchNode: "no such node", core.Conflict: "conflict", core.LastVoter: "last voter", core.QuorumAtRisk: "quorum at risk",
	core.NotPossible: "not possible", core.RemovedMember: "removed", core.NoRoom: "no room"}

// sync answers the first count queued batches; false if there were none. What
// asks for it, and all before it, is synced.
func (n *node) sync(count int) bool {
	if n.core == nil || count == 0 || len(n.queue) == 0 {
		return false
	}
	q := n.queue[:min(count, len(n.queue))]
	n.queue = n.queue[len(q):]
	n.written = append(n.written, q...)
	if slices.ContainsFunc(q, func(b core.Persist) bool { return b.Sync }) {
		n.flush(len(n.written))
	}
	n.step(core.Persisted{Seq: q[len(q)-1].Seq, First: n.view.first()})
	return true
}

// flush makes the first count written batches durable.
func (n *node) flush(count int) {
	for _, b := range n.written[:count] {
		n.disk.write(b)
	}
	n.written = n.written[count:]
}

// crash ends the process. Of what is not synced, the first keep batches happen
// to be on disk. Messages to the node are lost.
func (n *node) crash(keep int) {
	n.written = append(n.written, n.queue...)
	n.flush(min(keep, len(n.written)))
	n.core, n.written, n.queue, n.toApply, n.paused = nil, nil, nil, nil, false
	n.c.drop(func(m message) bool { return m.to == n.key }, len(n.c.wire))
	maps.DeleteFunc(n.c.history.open, func(_ uint64, key uint32) bool { return key == n.key })
}

func (n *node) describe() string {
	switch {
	case n.core == nil && !n.id.Invited():
		return fmt.Sprintf("%d: waits to be invited", n.key)
	case n.core == nil:
		return fmt.Sprintf("%d: down", n.key)
	}
	s := n.core.Status()
	text := fmt.Sprintf("%d: %v term %d leader %d commit %d applied %d last %d", n.key, s.Role, s.Term, core.NodeID(s.Lead), s.Commit, s.Applied, s.Last)
	if s.LeaseTicks > 0 {
		text += fmt.Sprintf(" lease for %d", s.LeaseFrom+s.LeaseTicks-s.Tick)
	}
	if s.Alarm != core.NoAlarm {
		text += fmt.Sprintf(" alarm %v", s.Alarm)
	}
	if s.Full {
		text += " full"
	}
	if s.Version > core.OldestVersion {
		text += fmt.Sprintf(" version %d", s.Version)
	}
	if n.paused {
		text += " (paused)"
	}
	return text
}
