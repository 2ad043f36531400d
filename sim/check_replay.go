package sim

import (
	"time"

	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/sim/postgres"
)

// walEnd is how far the WAL of the server that served was flushed.
type walEnd struct {
	at      time.Duration
	epoch   uint64
	flushed postgres.LSN
}

// hasReplayed says that a standby has replayed what its primary had flushed spreadTime ago.
func (c *checks) hasReplayed(v *server, epoch uint64) bool {
	for _, e := range c.walEnds {
		if e.epoch == epoch && e.at <= c.w.now-spreadTime && v.pg.Replayed() < e.flushed {
			return false
		}
	}
	return true
}

// stuckTime is for how long a standby may replay nothing that was acknowledged: its walreceiver
// looks after two seconds whether the primary is there, and tries again within one.
const stuckTime = 10 * time.Second

// keepsUp: a standby that follows who serves, over links on which nothing is wrong, replays what
// was acknowledged. Else it waits for WAL that never comes, and nobody sees that.
func (c *checks) keepsUp(v, p *server) {
	w := c.w
	at := v.pg.Replayed()
	if p == nil || p == v || v.replayed != at || !v.shouldKeepUp(p) || uint64(at) >= p.had.LSN || p.had.Epoch != p.shared.Epoch {
		v.replayed, v.replayedAt = at, w.now
	}
	if w.now-v.replayedAt > stuckTime {
		w.fail(checkServerLive, "%v follows %v in epoch %d, and has replayed nothing past %v since %v, and that one has acknowledged up to %v", v.n, p.n, p.shared.Epoch, at,
			v.replayedAt, postgres.LSN(p.had.LSN))
	}
}

// shouldKeepUp says that a standby follows a primary, and nothing holds its WAL or its replay.
func (v *server) shouldKeepUp(p *server) bool {
	w := v.n.w
	for _, l := range [...]*link{w.link(v.n, p.n), w.link(p.n, v.n)} {
		if !l.clear() || l.walCut > 0 || l.walHold > 0 {
			return false
		}
	}
	f := v.mem.Follows
	return f != (failover.Token{}) && f.Epoch == p.shared.Epoch && f.Boot == p.boot && v.pg.InRecovery() && !v.rejoining && !v.frozen && !p.frozen && !v.mem.Lacks &&
		!v.pg.HoldsReplay() && v.data.Sealed < f.Epoch
}
