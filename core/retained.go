package core

import (
	"fmt"

	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/pgraft/pgraft/core/corepb"
	"github.com/pgraft/pgraft/core/retain"
)

// How package retain is driven: it gets the members, the ticks, its messages and what
// the host says, and its outputs go out with those of the step.

// around is what retain is told with each input.
func (c *Core) around() retain.Around {
	return retain.Around{Now: c.now, TickMillis: c.cfg.TickMillis, Readable: c.readable(), Full: c.full, Reachable: c.reaches}
}

// readable is up to which index the log store holds what is committed. What is
// applied is durable, but for a snapshot of the leader that is on its way there:
// until then the store may hold another leader's entries behind the ones that were
// applied.
func (c *Core) readable() uint64 {
	for _, b := range c.storage.batches {
		if b.installs {
			return c.storage.readable
		}
	}
	return c.machine.index
}

// reaches says whether a member was heard from within an election timeout: by this
// node, or else by the leader as it says.
func (c *Core) reaches(id uint64) bool {
	for _, s := range c.MemberStatuses() {
		if s.Member.GetRaftId() == id {
			return s.Heard && s.SilentMillis < uint64(c.cfg.ElectionTicks)*c.cfg.TickMillis
		}
	}
	return false
}

// retainGaps says what the log store lacks at the start. No entry before a snapshot
// has a later term than it.
func (c *Core) retainGaps(d Durable) {
	gaps := make([]retain.Gap, len(d.Gaps))
	for i, g := range d.Gaps {
		gaps[i] = retain.Gap{From: g.From, To: g.To, High: d.Snapshot.Term}
	}
	c.retain.SetGaps(gaps)
}

func (c *Core) retainMembers() {
	ids := make([]uint64, len(c.members.List))
	for i, m := range c.members.List {
		ids[i] = m.GetRaftId()
	}
	c.retain.SetMembers(ids)
}

// keep is up to which index the store keeps its entries when the leader's snapshot s
// takes the place of what follows: all that this node has applied, as that is the
// history that s stands for. It is 0, which keeps nothing, where no host says Needs,
// on a new node, and on a node that lost acknowledged data: that one may have applied
// what the cluster never committed.
func (c *Core) keep(s *pb.Snapshot) uint64 {
	keep := uint64(0)
	if c.retain.Given() && !c.lost {
		keep = c.machine.index
	}
	c.retain.Installed(keep, retain.Gap{From: keep + 1, To: s.GetMetadata().GetIndex(),
		Low: c.machine.term, High: s.GetMetadata().GetTerm()}, c.around())
	return keep
}

// receiveRetained takes a message of package retain's, and says whether it is one.
// It says nothing of whether its sender's consensus is alive, so that is not heard.
// A node that lost acknowledged data may hold another history than the cluster's, so
// it answers no questions about it.
func (c *Core) receiveRetained(from uint64, env *corepb.Envelope) bool {
	asks := false
	switch env.GetBody().(type) {
	case *corepb.Envelope_ApplyNeeds, *corepb.Envelope_History, *corepb.Envelope_TableState:
	case *corepb.Envelope_HistoryRequest, *corepb.Envelope_TableStateRequest:
		asks = true
	default:
		return false
	}
	if !asks || !c.lost {
		c.retain.Receive(from, env, c.around())
	}
	return true
}

// historyRead takes what the host read of its log store for another member.
func (c *Core) historyRead(in HistoryRead) {
	c.retain.HistoryRead(in.Ticket, in.First, func(stored bool) (*corepb.History, bool) {
		if in.Failed {
			return nil, false
		}
		h := &corepb.History{}
		for _, e := range in.Entries {
			if stored {
				h.Stored = append(h.Stored, &corepb.LogEntry{Kind: uint64(e.Kind), Term: e.Term, Index: e.Index, Data: e.Data})
				continue
			}
			data, user, err := UserData(e)
			if err != nil {
				c.event(Warning, "entries that another member asks for cannot be given: %v", err)
				return nil, false
			}
			h.Entries = append(h.Entries, &corepb.HistoryEntry{Index: e.Index, Term: e.Term, Own: !user, Data: data})
		}
		return h, true
	})
}

// takeRetained puts what package retain has decided into the step's output.
func (c *Core) takeRetained() {
	if c.out.MembersChanged {
		c.retainMembers()
	}
	if !c.retain.Pending() {
		return
	}
	t := c.retain.Take()
	for _, env := range t.Send {
		c.send(env)
	}
	for _, e := range t.Events {
		level := Info
		if e.Warning {
			level = Warning
		}
		c.event(level, "%s", e.Text)
	}
	if len(t.Fill) > 0 {
		c.emit(Persist{History: logEntries(t.Fill)}, nil)
	}
	for _, d := range t.Done {
		c.reply(d.ID, retainCode(d.Code), "%s", d.Text)
	}
	if !t.Output.Empty() {
		c.out.Retain = &t.Output
	}
}

func retainCode(k retain.Code) Code {
	switch k {
	case retain.OK:
		return OK
	case retain.Busy:
		return Busy
	case retain.TooLarge:
		return TooLarge
	case retain.Nobody:
		return NotPossible
	case retain.GivenUp:
		return Unknown
	case retain.Removed:
		return RemovedMember
	}
	panic(fmt.Sprintf("unknown code %d", k))
}

// PartMessage is the message that an order to send a part stands for; data are the
// bytes that it names, and self is the Raft id of this node.
func PartMessage(self uint64, p retain.SendPart, data []byte) Send {
	return Send{To: p.To, Data: marshal(&corepb.Envelope{From: self, To: p.To, Body: &corepb.Envelope_TableState{
		TableState: &corepb.TableState{Ticket: p.Ticket, Total: p.Total, Offset: p.Offset, Data: data}}})}
}
