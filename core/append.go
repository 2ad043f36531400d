package core

import (
	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/pgraft/pgraft/core/corepb"
)

// Commands that a leader takes wait here until the core settles, at the latest: those
// that come together are appended to the log at once, and go to each follower in one
// message.

// toAppend is a command that waits to be appended, and who has to be told.
type toAppend struct {
	command *corepb.Command
	data    []byte    // it, as it will stand in the log
	own     *proposal // nil: another member's
	fresh   bool      // own has just been made: it is in no log, and on its way to none
	from    uint64    // the other member
}

// offer gives a command to this node's log, which leads. Its proposer is told what came
// of it: at once, or when the commands that wait are appended.
func (c *Core) offer(a toAppend) {
	id := [16]byte(a.command.GetRequestId())
	if at, ok := c.requestIDs.find(id); ok {
		c.tellOffered(a, at, corepb.ForwardReply_ACCEPTED)
		return
	}
	if at, ok := c.proposed.appended[id]; ok {
		if at.index == 0 { // it waits itself
			c.appendWaiting()
			c.offer(a)
			return
		}
		c.tellOffered(a, at, corepb.ForwardReply_ACCEPTED)
		return
	}
	switch next := c.last + 1 + uint64(len(c.appends)); {
	case c.transfer.target != 0 || c.removed || next > a.command.GetSince()+c.requestIDs.window:
		c.tellOffered(a, place{}, corepb.ForwardReply_NOT_LEADER) // the last: its proposer gives up, see route
	case c.takesNone():
		c.tellOffered(a, place{}, corepb.ForwardReply_NO_ROOM)
	default:
		a.data = encodeCommand(a.command)
		c.proposed.appended[id] = place{}
		c.appends = append(c.appends, a)
	}
}

// appendWaiting appends the commands that wait: as many at once as fit into a message
// to a follower, so that all of them leave at once, and into the bound of uncommitted
// bytes.
func (c *Core) appendWaiting() {
	for rest := c.appends; len(rest) > 0; {
		n, size := 1, len(rest[0].data)
		for n < len(rest) && size+len(rest[n].data) <= c.maxAppendBytes(n+1) {
			size += len(rest[n].data)
			n++
		}
		if !c.appendAtOnce(rest[:n]) {
			for i := range n { // each that fits, in their order
				if a := rest[i]; n == 1 || !c.appendAtOnce(rest[i:i+1]) {
					delete(c.proposed.appended, [16]byte(a.command.GetRequestId()))
					c.tellOffered(a, place{}, corepb.ForwardReply_BUSY)
				}
			}
		}
		rest = rest[n:]
	}
	clear(c.appends)
	c.appends = c.appends[:0]
}

// maxAppendBytes bounds the data of n entries that are appended at once.
func (c *Core) maxAppendBytes(n int) int {
	return min(maxMessageBytes-n*entryFrameBytes, int(c.cfg.Limits.UncommittedBytes))
}

// entryFrameBytes is about what an entry takes in a message beside its data, rather more.
const entryFrameBytes = 32

// appendAtOnce appends all of as to the leader's log, or none: over the bound of what is
// not committed.
func (c *Core) appendAtOnce(as []toAppend) bool {
	entries := make([]*pb.Entry, len(as))
	for i := range as {
		entries[i] = &pb.Entry{Data: as[i].data}
	}
	if err := c.rn.Propose(entries); err != nil {
		return false
	}
	for i := range as {
		c.last++
		at := place{c.last, c.hard.Term}
		c.proposed.appended[[16]byte(as[i].command.GetRequestId())] = at
		c.tellOffered(as[i], at, corepb.ForwardReply_ACCEPTED)
	}
	return true
}

// tellOffered tells the proposer of a command what came of it.
func (c *Core) tellOffered(a toAppend, at place, v corepb.ForwardReply_Verdict) {
	switch {
	case a.own == nil:
		c.sendForwardReply(a.from, &corepb.ForwardReply{RequestId: a.command.GetRequestId(), Verdict: v, Index: at.index, Term: at.term})
	case a.fresh && v == corepb.ForwardReply_BUSY:
		if c.proposed.open[a.own.requestID] == a.own { // nobody has given it up since
			c.finish(a.own, Busy, "this leader holds more than %d bytes of uncommitted entries", c.cfg.Limits.UncommittedBytes)
		}
	default:
		a.own.at, a.own.sent = at, v != corepb.ForwardReply_NOT_LEADER // busy: again in time
	}
}
