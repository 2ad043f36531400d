package node

import (
	"fmt"

	"github.com/pgraft/pgraft/core"
)

// hungTimeouts is how many election timeouts a write to the log store may take
// on a leader.
const hungTimeouts = 2

// hung watches a write that does not come to its end. It counts ticks and not
// time: a machine that was asleep has not waited for its disk.
type hung struct {
	write uint64 // the one that was under way at the last tick
	ticks int    // for how many, or since another node was asked to lead
	said  bool
}

// watchDisk has a leader hand leadership over while its disk hangs. It is safe
// to go on, as the others' disks commit what is proposed, and its heartbeats keep
// its lease: so nobody else would ever take over from a leader that can apply
// nothing, and that fills its bounds until it takes no proposals. The core hears
// of it as of a request to transfer leadership.
func (r *runner) watchDisk() {
	h := &r.hung
	write := r.disk.underWay()
	if write == 0 || write != h.write {
		*h = hung{write: write}
		return
	}
	h.ticks++
	limit := hungTimeouts * int(r.electionMillis) / int(r.tick.Milliseconds())
	if h.ticks < limit || r.core.Status().Role != core.RoleLeader {
		return
	}
	h.ticks = 0 // asked again if nothing comes of it
	if !h.said {
		h.said = true
		r.n.cfg.Logger.Warn(fmt.Sprintf("the disk of %s has not finished a write for %d ms: another node should lead",
			r.n.cfg.DataDir, limit*int(r.tick.Milliseconds())))
	}
	r.step(core.TransferLeader{ID: r.lastID.Add(1)})
}
