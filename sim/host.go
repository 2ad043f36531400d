package sim

import (
	"slices"
	"time"

	"github.com/pgraft/pgraft/core"
)

// The node as core.Host. Each method is a step that the process can die after.

func (n *node) alive() bool {
	if n.dying {
		return false
	}
	if n.hostCall > 0 {
		if n.hostCall--; n.hostCall == 0 {
			n.dying = true
			return false
		}
	}
	return true
}

func (n *node) Clock() *core.Clock { return &n.ticks }

func (n *node) Publish(s core.Status, leaseEnd int64) {
	if !n.alive() {
		return
	}
	n.w.hashStatus(&s)
	n.status = s
	if s.Alarm != core.NoAlarm && !n.warned {
		n.warned = true
		n.w.checks.warned(n)
		n.w.marks.add(markWarnedOfLoss)
	}
	n.lease = lease{time.Duration(leaseEnd), s.Term}
	if leaseEnd > 0 {
		n.server.holdsUntil(n.clock.trueAt(n.lease.until))
		n.w.checks.leased(n)
	}
}

func (n *node) Failover(o core.FailoverOutput) {
	if n.alive() {
		n.server.decided(o)
	}
}

// holdsLease is is_leader(), as a backend of the node reads it.
func (n *node) holdsLease() bool {
	return n.lease.until > 0 && n.clock.at(n.w.now) < n.lease.until
}

func (n *node) Persist(b []core.Persist) {
	if !n.alive() {
		return
	}
	if n.gone {
		n.w.checks.heardRemoved(n, "writes")
	}
	for i := range b {
		n.w.hashPersist(&b[i])
		if len(b[i].Entries) > 0 {
			n.appends(b[i].Seq)
		}
		n.w.checks.persist(n, &b[i])
		n.w.checks.installs(n, &b[i])
		if s := b[i].Snapshot; s != nil { // in place of what the host has not taken over yet
			n.taken(core.Applied{Index: s.Index})
		}
	}
	n.disk.add(b)
}

func (n *node) Send(s core.Send) {
	if !n.alive() {
		return
	}
	if n.gone {
		n.w.checks.heardRemoved(n, "sends")
	}
	n.w.hash.word(s.To)
	n.w.hash.bytes(s.Data)
	n.send(s)
}

func (n *node) Apply(as []core.Apply) (taken bool) {
	if !n.alive() {
		return false
	}
	for i := range as {
		n.w.hash.words(as[i].Index, as[i].Term)
		n.w.hash.bytes(as[i].Data)
		n.w.checks.applied(n, &as[i])
	}
	n.w.reachedCommitted(n, as)
	return n.takeOver(as[len(as)-1].Index)
}

func (n *node) Reply(r core.Reply) {
	if !n.alive() {
		return
	}
	n.w.hash.words(r.ID, uint64(r.Code), r.Index, r.Term)
	n.w.hash.text(r.Text)
	n.w.checks.answers(n, r)
	n.batch.refuses(r)
	if n.database != nil && n.database.replied(r) {
		return
	}
	if i := slices.IndexFunc(n.waits, func(q *request) bool { return q.id == r.ID }); i >= 0 {
		q := n.waits[i]
		n.waits = slices.Delete(n.waits, i, i+1)
		n.w.answered(q, r)
	}
}

func (n *node) Event(e core.Event) {
	if !n.alive() {
		return
	}
	n.w.hash.text(e.Text)
	if n.w.trace != nil {
		n.w.say(n, "%s", e.Text)
	}
}

func (n *node) MembersChanged(m core.Members) {
	if !n.alive() {
		return
	}
	n.w.checks.membersChanged(n, m)
	n.members = m
	n.setPeers()
	n.hangUpTooOld()
}

func (n *node) Removed() { n.isOut = !n.dying }
