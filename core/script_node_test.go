package core_test

import (
	"slices"

	"github.com/pgraft/pgraft/core"
)

// nodeVerbs make, stop and start processes.
var nodeVerbs = map[string]func(*script){
	// init node=1 [settings]: founds a one-node cluster;  wait: waits to be invited
	"init": func(s *script) {
		n := s.create(uint32(s.num("node", 1)))
		s.settings(&n.cfg)
		if !s.has("wait") {
			n.bootstrap()
		}
	},
	// crash node=1 [keep=2] [wire]: loses what is not synced, but for the first 2
	// batches, and what is on its way to it, unless wire says that it comes later
	"crash": func(s *script) {
		wire := slices.Clone(s.wire)
		s.node().crash(s.num("keep", 0))
		if s.has("wire") {
			s.wire = wire
		}
	},
	// restart node=1 [settings]
	"restart": func(s *script) {
		n := s.node()
		if n.core != nil {
			n.crash(0)
		}
		s.settings(&n.cfg)
		n.start()
		if n.core != nil && s.has("removed") {
			n.step(core.RemovedByPeer{})
		}
	},
	// wipe node=2: the directory is lost, the node waits to be invited with a new uuid
	"wipe": func(s *script) {
		n := s.node()
		n.crash(0)
		s.create(n.key)
	},
	// clone node=2 as=12: a copy of its directory starts, with the same identity
	"clone": func(s *script) {
		n := *s.node()
		x := &n
		x.key = uint32(s.num("as", 12))
		x.disk, x.queue, x.written, x.toApply = s.node().disk.clone(), nil, nil, nil
		s.nodes[x.key] = x
		x.start()
	},
	// backup node=2 copies its directory;  restore node=2 puts the copy back
	"backup": func(s *script) {
		d := s.node().disk.clone()
		s.node().backup = &d
	},
	"restore": func(s *script) {
		n := s.node()
		n.crash(0)
		n.disk = n.backup.clone()
		n.start()
	},
}

// settings reads what a command says of a node's configuration.
func (s *script) settings(c *core.Config) {
	c.TickMillis = uint64(s.num("tick", int(c.TickMillis)))
	c.ElectionTicks = s.num("election", c.ElectionTicks)
	c.HeartbeatTicks = s.num("heartbeat", c.HeartbeatTicks)
	c.SnapshotEntries = uint64(s.num("snapshot", int(c.SnapshotEntries)))
	c.MaxTailBytes = uint64(s.num("tail", int(c.MaxTailBytes)))
	c.MaxEntryBytes = s.num("entry", c.MaxEntryBytes)
	c.Newest = uint32(s.num("newest", int(c.Newest)))
	if s.has("failover") { // its boot number is the count of its starts
		c.Failover = core.FailoverConfig{Boot: 1, SealMillis: 500}
	}
	if s.has("apart") { // no more
		c.Failover = core.FailoverConfig{}
	}
	c.Limits.UncommittedBytes = uint64(s.num("uncommitted", int(c.Limits.UncommittedBytes)))
}
