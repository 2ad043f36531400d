package sim

import (
	"time"

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
