package core

import (
	"fmt"
	"slices"

	pb "go.etcd.io/raft/v3/raftpb"
)

// What a leader heard a moment ago does not prove who is there now. So before it does
// what the cluster may not survive, it opens a round of heartbeats and waits for
// the answers to that round or a later one: of a quorum as it is, and of a quorum as
// it will be. The answers are those that the lease rests on, see lease.go.

// roundWait is such a wait. The zero value has opened no round.
type roundWait struct {
	round  uint64 // answers to it and to later ones count
	opened uint64 // tick
}

// quorumNeed says whose answers a change waits for, beside those of a quorum of the
// present voters.
type quorumNeed struct {
	after []uint64 // the voters that there will be: a quorum of them; nil: the present ones
	joins uint64   // in after, but no member yet: it counts as heard
	must  uint64   // it has to answer itself; 0 = nobody
	// patient: no client waits for the change, so answers may take an election timeout.
	// Otherwise a learner could never become a voter where round trips take long.
	patient bool
	// text says that too few of after answer: with how many do, of how many, and
	// how many are needed.
	text string
}

type hearing uint8

const (
	hearsNot  hearing = iota // too few answered in time
	hearsSoon                // there is time left
	hears
)

// answerTicks is how long answers are waited for: two heartbeat intervals if a client
// waits.
func (c *Core) answerTicks(n quorumNeed) uint64 {
	if n.patient {
		return uint64(c.cfg.ElectionTicks)
	}
	return uint64(2 * c.cfg.HeartbeatTicks)
}

// hear opens the round, unless that is done, and looks who has answered it. What n
// says is looked at anew each time, so it may change while w waits.
func (c *Core) hear(w *roundWait, n quorumNeed) hearing {
	if w.round != 0 && c.now-w.opened > c.answerTicks(n) {
		*w = roundWait{} // not looked at in time: what came since is not of now
	}
	if c.refuses(n, c.answered(w)).code == OK {
		return hears
	}
	if w.round == 0 {
		c.nextRound()
		w.round, w.opened = c.lease.round, c.now
		c.sendHeartbeats()
	}
	if c.waitOver(w, n) {
		return hearsNot
	}
	return hearsSoon
}

func (c *Core) waitOver(w *roundWait, n quorumNeed) bool {
	return w.round != 0 && c.now-w.opened >= c.answerTicks(n)
}

// answered says who has answered the round of w; before it is open, nobody but this
// node.
func (c *Core) answered(w *roundWait) func(uint64) bool {
	return func(id uint64) bool {
		return id == c.self || w.round != 0 && c.lease.answered(id).answered >= w.round
	}
}

// sendHeartbeats does not wait for the next heartbeat of the library.
func (c *Core) sendHeartbeats() {
	progress := c.progress()
	for _, m := range c.members.List {
		id := m.GetRaftId()
		if p := progress.of(id); p.id == id && id != c.self {
			c.sendRaft(&pb.Message{Type: pb.MsgHeartbeat.Enum(), From: new(c.self), To: new(id), Term: new(c.hard.Term),
				Commit: new(min(p.match, c.hard.Commit))})
		}
	}
}

// refuses says why a change that needs n must not be made while only those that up
// accepts are there; its code is OK if it may.
func (c *Core) refuses(n quorumNeed, up func(uint64) bool) refusal {
	r := refusal{}
	count := func(ids []uint64, text string) {
		have := 0
		for _, id := range ids {
			if id == n.joins || up(id) {
				have++
			}
		}
		if q := Majority(len(ids)); have < q && r.code == OK {
			r = refusal{code: QuorumAtRisk, text: fmt.Sprintf(text, have, len(ids), q)}
		}
	}
	if n.after != nil {
		count(n.after, n.text)
	}
	c.voters(func(ids []uint64) { count(ids, "only %d of %d voters are reachable, %d are needed") })
	if r.code == OK && n.must != 0 && !up(n.must) {
		r = refusal{code: NotPossible, text: fmt.Sprintf("node %d is not reachable", NodeID(n.must))}
	}
	if r.code != OK {
		r.detail = c.silentText(n, up)
	}
	return r
}

// silentText names the members that n needs and that do not answer.
func (c *Core) silentText(n quorumNeed, up func(uint64) bool) string {
	var names []string
	for _, m := range c.members.List {
		id := m.GetRaftId()
		if (c.isVoter(id) || slices.Contains(n.after, id) || id == n.must) && !up(id) {
			names = append(names, fmt.Sprintf("node %d", NodeID(id)))
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "No answer from " + enumerate(names) + "."
}

// What the changes wait for.

func (c *Core) quorumToRemove(id uint64) quorumNeed {
	if !c.isVoter(id) {
		return quorumNeed{}
	}
	return quorumNeed{after: c.votersBeside(id),
		text: fmt.Sprintf("without node %d only %%d of the %%d remaining voters are reachable, %%d are needed", NodeID(id))}
}

// quorumToReplace is that of the joint change; before the new member is added, it
// counts as heard.
func (c *Core) quorumToReplace(id, old uint64) quorumNeed {
	n := quorumNeed{after: append(c.votersBeside(old), id),
		text: fmt.Sprintf("with node %d in the place of node %d only %%d of %%d voters are reachable, %%d are needed", NodeID(id), NodeID(old))}
	if c.members.Get(id) == nil {
		n.joins = id
	} else {
		n.must = id
	}
	return n
}

func (c *Core) quorumToPromote(id uint64) quorumNeed {
	return quorumNeed{after: append(c.votersBeside(id), id), must: id,
		text: fmt.Sprintf("with node %d only %%d of %%d voters are reachable, %%d are needed", NodeID(id))}
}
