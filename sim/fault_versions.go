package sim

import (
	"fmt"
	"time"

	"github.com/pgraft/pgraft/core"
)

// faultVersions: all servers are started anew, one every Param milliseconds, with a
// build that knows the next version. The two work together, and once all members have
// it the cluster's version is raised. If there is a Peer, it goes back to the build of
// before for a while as the last of them is about to be upgraded.
var faultVersions = Kind{
	Name: "versions", Group: "process", most: 2, alone: true,
	Doc: "a rolling upgrade to a build that knows the next version",
	draw: func(s *Stream, o *Options, d *Decision) {
		if d.pair(s, o); s.Below(4) == 0 {
			d.Peer = 0
		}
		d.Param = int64(s.Int(0, 4000))
	},
	begin: func(w *World, s *strike) string {
		for i := range w.nodes {
			n := w.nodes[(int(s.Node)+i-1)%len(w.nodes)]
			w.after(time.Duration(i)*time.Duration(s.Param)*time.Millisecond, func() { w.upgradeInTurn(s, n) })
		}
		return fmt.Sprintf("one node every %d ms", s.Param)
	},
}

// upgradeInTurn upgrades n. If it is the last, Peer goes back before, once another server
// leads that has heard what Peer's build knows.
func (w *World) upgradeInTurn(s *strike, n *node) {
	if w.settled || s.peer == nil || s.peer == n || s.cut || !w.isLastToUpgrade(n) || s.peer.state != running {
		w.upgradeTo(core.NewestVersion, n)
		return
	}
	s.cut = true
	if l := w.leader(); l == n || l == s.peer {
		for i, x := range w.nodes {
			if w.operator.want[i] && x != n && x != s.peer {
				w.change(l, x, adminTransfer)
				break
			}
		}
	}
	w.after(goesBack, func() { w.upgradeTo(core.OldestVersion, s.peer) })
	w.after(2*goesBack, func() { w.upgradeTo(core.NewestVersion, n) })
	w.after(3*goesBack, func() { w.upgradeTo(core.NewestVersion, s.peer) })
}

// goesBack is longer than what a member has announced counts, whatever the settings.
const goesBack = 2 * time.Second

// upgradeTo installs a build, unless the server has it.
func (w *World) upgradeTo(newest uint32, n *node) {
	if !w.settled && n.knows() != newest {
		n.install(newest)
	}
}

// isLastToUpgrade says that all servers that are to be members but n have the newest build.
func (w *World) isLastToUpgrade(n *node) bool {
	for i, x := range w.nodes {
		if x != n && w.operator.want[i] && x.knows() < core.NewestVersion {
			return false
		}
	}
	return w.operator.want[n.id-1] && n.knows() < core.NewestVersion
}

func (w *World) after(d time.Duration, f func()) {
	w.arrange(event{at: w.now + d, kind: evCall, ref: f})
}
