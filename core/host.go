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

// Perform steps the core and has the host carry out the output, in the order
// that safety rests on: a lost lease is published before any message leaves
// (a TimeoutNow may be among them), and a reply comes after what it reports is
// published.
func Perform(c *Core, in Input, h Host) {
	out := c.Step(in)
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
