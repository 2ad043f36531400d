package core

import "github.com/pgraft/pgraft/core/retain"

// Host carries out a core's outputs. node and the simulator implement it; the
// order in which its methods are called is Perform's, for both.
type Host interface {
	// Clock is what Perform times ticks with; nil: the host has no use for the end of a
	// lease. It is the same for as long as the host has a core, and another one then.
	Clock() *Clock
	// Publish makes the status known, the lease above all: it ends at leaseEnd of the
	// host's clock, and there is none if that is 0.
	Publish(s Status, leaseEnd int64)
	// Failover takes what package failover decided, right after Publish: so no message
	// leaves, and no reply, before what the fence in each commit goes by is known. It
	// does not wait. It is called only on a node with Config.Failover.
	Failover(FailoverOutput)
	// Persist queues batches for the log store. It does not wait.
	Persist([]Persist)
	// Send gives a message to the network. It does not wait.
	Send(Send)
	// Apply takes over committed user entries. If all are taken over when it returns,
	// Perform tells the core; otherwise the host owes it Applied.
	Apply([]Apply) (taken bool)
	Reply(Reply)
	Event(Event)
	// MembersChanged is called after the Sends of the same step, so that a last
	// message to a removed member still has a connection.
	MembersChanged(Members)
	// Removed ends what the host does for a node that is no member any more. It is the
	// last call of each Perform from then on.
	Removed()
	Keeper
}

// Keeper is the part of a Host that carries out what package retain decides; the
// fields of retain.Output say what each order means. None of its methods waits.
type Keeper interface {
	// Retain is called before Persist, so that what a batch has the store drop goes
	// by it.
	Retain(from uint64)
	ReadHistory(retain.Read)
	Export(ticket uint64)
	DropState(ticket uint64)
	SendPart(retain.SendPart)
	Fetched(retain.Fetched)
	StatePart(retain.StatePart)
}

// Recorder is a Host that keeps what goes into its core and what comes out: for
// a trace, or for a Chain.
type Recorder interface {
	Host
	// RecordInput is called before each Step, so that an input that makes the
	// core panic is known.
	RecordInput(Input)
	// RecordOutput is called with what came of it, before any of it is carried
	// out.
	RecordOutput(Output)
}

// Perform steps the core and has the host carry out the output, in the order
// that safety rests on: a lost lease is published before any message leaves
// (a TimeoutNow may be among them), and a reply comes after what it reports is
// published. Then it steps what follows from that: what the host has taken over.
func Perform(c *Core, in Input, h Host) {
	if _, ok := in.(Tick); ok {
		h.Clock().tick(c.now + 1)
	}
	for in != nil {
		in = perform(c, in, h)
	}
	if c.removed {
		h.Removed()
	}
}

// perform is one step; it returns the next one, or nil.
func perform(c *Core, in Input, h Host) (next Input) {
	r, recording := h.(Recorder)
	if recording {
		r.RecordInput(in)
	}
	out := c.Step(in)
	if recording {
		r.RecordOutput(out)
	}
	s := c.Status()
	h.Publish(s, h.Clock().LeaseEnd(s, c.cfg.TickMillis))
	if out.Failover != nil {
		h.Failover(*out.Failover)
	}
	for _, e := range out.Events {
		h.Event(e)
	}
	keep := out.Retain
	if keep == nil {
		keep = &retain.Output{}
	}
	if keep.Retain != nil {
		h.Retain(*keep.Retain)
	}
	if len(out.Persist) > 0 {
		h.Persist(out.Persist)
	}
	for _, s := range out.Send {
		h.Send(s)
	}
	if out.MembersChanged {
		h.MembersChanged(c.Members())
	}
	if n := len(out.Apply); n > 0 && h.Apply(out.Apply) {
		next = Applied{Index: out.Apply[n-1].Index}
	}
	performKept(keep, h)
	for _, r := range out.Reply {
		h.Reply(r)
	}
	return next
}

// performKept has the host carry out the orders of package retain. A state's last
// part comes before the reply to who asked for it.
func performKept(out *retain.Output, h Host) {
	for _, r := range out.Read {
		h.ReadHistory(r)
	}
	for _, t := range out.Export {
		h.Export(t)
	}
	for _, p := range out.SendPart {
		h.SendPart(p)
	}
	for _, t := range out.Drop {
		h.DropState(t)
	}
	for _, f := range out.Fetched {
		h.Fetched(f)
	}
	for _, p := range out.StatePart {
		h.StatePart(p)
	}
}
