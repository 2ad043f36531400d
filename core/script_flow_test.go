package core_test

import (
	"slices"

	"github.com/pgraft/pgraft/core"
)

// maxCampaignTicks is more than any node of a script waits before it campaigns.
const maxCampaignTicks = 100

// flowVerbs form a cluster and let time pass.
var flowVerbs = map[string]func(*script){
	// cluster n=3 [settings]: formed quietly, node 1 leads. Settings, also of
	// init: tick (ms), election, heartbeat (ticks), snapshot (entries), tail,
	// entry (bytes).
	"cluster": func(s *script) {
		s.settings(&s.timing)
		s.quiet = true
		s.form(uint32(s.num("n", 3)))
		s.quiet = false
	},
	// tick node=1 [n=1]: only this node's clock goes on; the others miss it
	"tick": func(s *script) {
		x := s.node()
		for range s.num("n", 1) {
			s.tickOne(x)
		}
	},
	// campaign node=1: its clock goes on until it asks for votes
	"campaign": func(s *script) {
		n := s.node()
		for i := 0; !slices.ContainsFunc(s.wire, func(m message) bool { return m.from == n.key && m.raftID == n.id.RaftID && isVoteRequest(m) }); i++ {
			if i == maxCampaignTicks {
				s.printf("%d does not campaign within %d ticks\n", n.key, i)
				return
			}
			s.tickOne(n)
		}
	},
	// elect node=1: its clock goes on until it leads, the others' stand still
	"elect": func(s *script) {
		n := s.node()
		for i := 0; n.status.Role != core.RoleLeader; i++ {
			if i == maxCampaignTicks {
				s.printf("%d does not lead after %d ticks\n", n.key, i)
				return
			}
			s.tickOne(n)
			s.stabilize()
		}
	},
	// run [ticks=1]: time for all, and all that follows from it
	"run":       func(s *script) { s.run(s.num("ticks", 1)) },
	"stabilize": func(s *script) { s.stabilize() },
	// pause node=1: frozen, as a stopped virtual machine;  resume node=1
	"pause": func(s *script) { s.node().paused = true },
	"resume": func(s *script) {
		s.node().paused = false
		s.node().due = s.time + s.node().interval()
	},
	// clock node=1 rate=110: percent of the true time
	"clock": func(s *script) { s.node().rate = int64(s.num("rate", 100)) },
}

// tickOne lets time pass for one node; the others miss their ticks.
func (c *cluster) tickOne(x *node) {
	c.time += x.interval()
	x.tick()
	for _, n := range c.all() {
		n.due = max(n.due, c.time+n.interval())
	}
}

func isVoteRequest(m message) bool {
	return slices.Contains([]string{"MsgVote", "MsgPreVote"}, kind(m.envelope()))
}
