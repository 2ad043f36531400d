// Package shrink makes failing seeds of the simulator small, within a time, and
// keeps what is left: as decisions for `pgraft shrink`, and as a script for
// `go test ./sim`.
package shrink

import (
	"context"
	"time"

	"github.com/pgraft/pgraft/sim"
)

// Limit is how long shrinking takes at most, unless told otherwise.
const Limit = time.Minute

// Seed shrinks the run of o's seed, for so long at most and until ctx ends.
// Failure is nil if the seed does not fail.
func Seed(ctx context.Context, o sim.Options, limit time.Duration) sim.Shrunk {
	return Plan(ctx, o, sim.Plan(o), limit)
}

// Plan shrinks a run with these decisions.
func Plan(ctx context.Context, o sim.Options, plan []sim.Decision, limit time.Duration) sim.Shrunk {
	end := time.Now().Add(limit)
	s, _ := sim.Shrink(o, plan, func() bool { return time.Now().Before(end) && ctx.Err() == nil })
	return s
}
