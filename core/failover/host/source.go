package host

import "github.com/pgraft/pgraft/core/failover"

// Asked is what the source of a rejoin says of itself, each time that it is asked: as the order
// is carried out, and right before the data is made from it.
type Asked struct {
	// Production says that it takes writes; Timeline is the one that it writes, and Checkpointed
	// the one that its last checkpoint is on.
	Production             bool
	Timeline, Checkpointed uint32
	// Primary and Epoch are of its shared memory.
	Primary bool
	Epoch   uint64
}

// Ready says that the source can be told from what diverged: before it has checkpointed on its
// timeline, pg_rewind says that no rewind is required.
func (x Asked) Ready() bool { return x.Production && x.Checkpointed == x.Timeline }

// IsOf says that it is ready on the timeline that an order names.
func (x Asked) IsOf(o failover.Rejoin) bool {
	return x.Ready() && x.Timeline == o.History[len(o.History)-1].Timeline
}

// StillIs says that it is, besides, the primary of the order's epoch: else data is made from a
// fork that is over.
func (x Asked) StillIs(o failover.Rejoin) bool {
	return x.IsOf(o) && x.Primary && x.Epoch == o.Epoch
}

// Newer says that it is the primary of an epoch above a seal. A clone that no order asked for,
// as a rejoin was cut short, takes the newest of these. One of an epoch up to the seal may
// still run, and not know that it is none any more.
func (x Asked) Newer(sealed uint64) bool {
	return x.Production && x.Primary && x.Epoch > sealed
}
