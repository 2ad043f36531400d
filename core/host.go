package core

// Host carries out a core's outputs. node and the simulator implement it; the
// order in which its methods are called is Perform's, for both.
type Host interface {
	// Publish makes the status known, the lease above all.
	Publish(Status)
	// Persist queues batches for the log store. It does not wait.
	Persist([]Persist)
	// Send gives a message to the network. It does not wait.
	Send(Send)
	// Apply takes over committed user entries; Applied follows, then or later.
	Apply([]Apply)
	Reply(Reply)
	Event(Event)
	// MembersChanged is called after the Sends of the same step, so that a last
	// message to a removed member still has a connection.
	MembersChanged(Members)
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
// published.
func Perform(c *Core, in Input, h Host) {
	r, recording := h.(Recorder)
	if recording {
		r.RecordInput(in)
	}
	out := c.Step(in)
	if recording {
		r.RecordOutput(out)
	}
	h.Publish(c.Status())
	for _, e := range out.Events {
		h.Event(e)
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
	if len(out.Apply) > 0 {
		h.Apply(out.Apply)
	}
	for _, r := range out.Reply {
		h.Reply(r)
	}
}
