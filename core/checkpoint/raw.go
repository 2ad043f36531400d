package checkpoint

import "go.etcd.io/raft/v3"

// Raw codes len(b) bytes as they are: it writes b, or reads into it.
func (c *Codec) Raw(b []byte) {
	if c.write {
		c.b = append(c.b, b...)
		return
	}
	if clear(b); len(c.b) < len(b) {
		c.Fail("it ends early")
		return
	}
	copy(b, c.b)
	c.b = c.b[len(b):]
}

// Run codes bytes whose number is known otherwise: n of them are read, none as
// nil. What is read is a copy.
func (c *Codec) Run(p *[]byte, n int) {
	if c.write {
		c.b = append(c.b, *p...)
		return
	}
	*p = nil
	switch {
	case n > len(c.b):
		c.Fail("%d bytes with %d left", n, len(c.b))
	case n > 0:
		*p, c.b = append(make([]byte, 0, n), c.b[:n]...), c.b[n:]
	}
}

// SetTiming changes a node's timeouts, in ticks, as if it had been made with
// them.
func (l *Library) SetTiming(rn *raft.RawNode, election, heartbeat int) {
	r := mirror(rn).raft
	r.electionTimeout, r.heartbeatTimeout = election, heartbeat
}
