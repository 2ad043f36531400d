package host

import "github.com/pgraft/pgraft/core/failover"

// A rejoin, as whoever carries it out in the place of the server decides its steps. Nothing but
// the marker outlives that program, which may end between any two steps, as the machine may.

// Rejoining is the marker of a rejoin that has not ended.
type Rejoining struct {
	Stage Stage
	Order failover.Rejoin
	// Others are the addresses of other members' servers, which may have become the primary
	// since the order.
	Others []string
	// From is the source, from StageMade on.
	From Source
}

// Stage is how far a rejoin has come. Each is durable before the first thing is done in it.
type Stage uint8

const (
	// StageOrdered: nothing is changed.
	StageOrdered Stage = iota
	// StageRecovering: the server recovers alone, so that its last timeline is in pg_control.
	// That writes WAL which nobody has noted: from here on there is no way back.
	StageRecovering
	// StageRewinding: the own files are aside, or being put there, and pg_rewind changes the
	// data.
	StageRewinding
	// StageCloning: the same, and the data of the source comes into a directory beside.
	StageCloning
	// StageMade: the data is the source's, in the directory beside or in place. The source's own
	// files go.
	StageMade
	// StageBack: the own files come back.
	StageBack
	stages // how many there are
)

// Step is what is to be done next.
type Step uint8

const (
	// StepGiveUp: the marker goes, and the server starts as it was.
	StepGiveUp Step = iota
	// StepWait: there is no source now.
	StepWait
	// StepRewind: recover alone, put the own files aside, pg_rewind. Else StepClone, if that
	// is allowed.
	StepRewind
	// StepClone: put the own files aside, make the data anew beside, put it in place.
	StepClone
	// StepFinish: the own files come back.
	StepFinish
	// StepStop: a person has to look. The server is not started.
	StepStop
)

// Ways is what the rejoin may do, as the settings and the data have it now.
type Ways struct {
	// Rewind says that the data can be rewound: pg_control has checksums, or wal_log_hints.
	Rewind bool
	// Clone says that the operator has allowed a clone.
	Clone bool
	// Failed says that a rewind, or the recovery before it, was tried and did not succeed. After
	// StageRewinding has begun in a life of before it counts as failed.
	Failed bool
}

// Next is the step that follows. own is the server's own note, wherever that lies; source is what
// the best source says, ordered that it is the order's. ok is false where none answers.
func (x *Rejoining) Next(own *Data, w Ways, source Asked, ordered, ok bool) Step {
	if x.Stage >= StageMade {
		return StepFinish
	}
	if ok && ordered {
		ok = source.StillIs(x.Order)
	} else if ok {
		ok = x.Stage > StageOrdered && source.Ready() && source.Newer(own.Sealed)
	}
	rewinds := w.Rewind && own.Rewinds(false, !x.Order.Clone, !w.Failed) && x.Stage < StageRewinding
	switch {
	case x.Stage == StageOrdered && (!ok || !rewinds && !w.Clone):
		return StepGiveUp
	case !rewinds && !w.Clone:
		return StepStop
	case !ok:
		return StepWait
	case rewinds:
		return StepRewind
	}
	return StepClone
}

// Ends is the last part: what is written once the own files are back, own and store as they are
// there. A source other than the order's has its own notes only.
func (x *Rejoining) Ends(own Data, store Store, fresh uint64) []Act {
	notes := x.Order.Notes
	if x.From.Epoch != x.Order.Epoch {
		notes = nil
	}
	return Back(own, store, x.From, notes, fresh)
}
