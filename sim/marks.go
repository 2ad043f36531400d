package sim

import (
	"maps"
	"slices"

	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
)

// Marks count what a run reached: states, transitions, messages, and faults
// that really struck. A campaign adds up its runs' marks; one of Must that
// stays at 0 means that the simulation does not go where it has to.
type Marks struct {
	plain    [markCount]uint64
	faults   map[string]uint64
	messages [32]uint64 // by raftpb.MessageType
	others   [lastBody + 1]uint64
	refusals [16]uint64
	replies  [16]uint64
}

type mark int

const (
	markTornTail mark = iota
	markWritesLost
	markTickDropped
	markRefusedToStart
	markFailStop
	markDiedInStep
	markWaitedForRoom
	markToldFull
	markSendToStranger
	markPeerQueueFull
	markInboxFull
	markMissedProcess
	markLost
	markDuplicated
	markReordered
	markReplayed
	markCutMessage
	markTooLargeForLink
	markNarrow
	markSnapshotCut
	markElected
	markDeposed
	markLeaseTaken
	markLeaseOutlived
	markIsLeaderTrue
	markIsLeaderFalse
	markAcknowledged
	markUnknown
	markUnknownCommitted
	markUnknownLost
	markRetried
	markPatient
	markRequestTwice
	markReadOK
	markBarrierOK
	markConfirmOK
	markWaitOK
	markLogRead
	markTooLarge
	markSnapshotTaken
	markSnapshotInstalled
	markTruncated
	markPromiseStored
	markMemberAdded
	markPromoted
	markDemoted
	markRemoved
	markKnowsRemoved
	markOtherCluster
	markTransferred
	markAskedBefore
	markTransferFailed
	markRepaired
	markRestarted
	markDirOlder
	markWarnedOfLoss
	markReplacedBy
	markStatusRead
	markAvailable
	markRecovered
	markRecoveryCosts
	markAppliedLate
	markAppliedInParts
	markWindowPassed
	markMarkDropped
	markLossTold
	markKeptArrived
	markOldAnswerArrived
	markJointSnapshot
	markTailReplaced
	markRaises
	markTooOld
	markBatch
	markBatchProposals
	markBatchOfMany
	markBatchTwice
	markBatchTooMany
	markBatchTerm
	markAppendMore
	markResponseMore
	markForwardMore
	markToldClosed
	markStandsInTurn
	markStandsLater
	// From here on of runs with databases.
	markDatabaseApplied
	markCommitsTakenBack
	markDatabaseStuck
	markDatabaseRestored
	markDatabaseGivenUp
	markHistoryAsked
	markHistoryApplied
	markHistorySilent
	markNoState
	markStateStale
	markStateImported
	markStateExported
	markExportFailed
	markReadFailed
	markHistoryKept
	markGapFilled
	markRetained
	markRetainedForSilent
	markDatabaseBack
	markNeedsLost
	markStateCut
	markStateBegunAnew
	markNeedyRemoved
	// From here on of runs with failover.
	markFenceWaits
	markFenceRefuses
	markEarlyEndHeld
	markAckHeld
	markAckOver
	markServerDemoted
	markServerPromoted
	markServerFollows
	markSealed
	markHalfCut
	markWALGone
	markServerRewound
	markServerCloned
	markRejoinCut
	markServerRemade
	markOrderCut
	markServerCommits
	markServerRefuses
	markServerUnknown
	markEpochBegun
	markFailedOver
	markSetChanged
	markGivenUp
	markDoubted
	markTrusted
	markMarkerFound
	markBootRefused
	markDataBack
	markReleased
	markOverridden
	markWordGivenUp
	markSwitchover
	markSwitchedOver
	markSwitchoverEnded
	markReleaseCut
	markMemberCloned
	markDataTaken
	markMachineLost
	markMemberServes
	markAloneServes
	markCount
)

var markNames = [markCount]string{
	"torn or lost tail at a crash", "writes lost at a crash", "ticks dropped in a pause", "refused to start",
	"stopped by its disk", "died in the middle of a step", "waited for room on a disk", "told of a full disk, or of room", "send to a member without a connection",
	"queue of a peer full", "inbox full", "message missed its process", "message lost", "message duplicated",
	"message reordered", "old message replayed", "message into a partition", "message too large for its link",
	"message over a narrow link", "snapshot cut in the middle", "elected", "deposed", "lease taken",
	"lease outlived its process", "is_leader true", "is_leader false", "write acknowledged", "outcome unknown",
	"unknown outcome: committed", "unknown outcome: not committed", "request retried", "request answered after a long wait", "request answered twice alike",
	"read done", "read behind a barrier", "leadership confirmed", "wait for an index done", "log entry read", "entry too large refused", "snapshot of own state", "snapshot installed", "log truncated",
	"promise stored", "member added", "learner promoted", "voter demoted", "member removed", "node knows that it is removed",
	"founded another cluster", "leadership transferred", "quorum alive before who votes changed", "transfer failed", "node repaired by the operator", "node restarted with state",
	"started on an older copy", "warned that a node lost acknowledged data", "voter replaced in one change", "what is shown of the members read", "write acknowledged while a member is out", "went on alone", "committed entries lost with a majority", "entries taken over late",
	"committed entries applied in parts", "request given up at the end of the window", "own snapshots let go", "sent LostData", "kept message arrived", "answers of an earlier leadership arrived",
	"snapshot installed while joint", "snapshot installed over a longer log", "cluster version raised", "refused to start: build too old",
	"inputs taken as one batch", "batch of 2 proposals or more", "batch of 16 proposals or more", "batch with a request id twice",
	"batch of which some proposals do not fit", "batch with a new term in the middle",
	"append of several proposals in one message", "response that stands for several", "message with several forwarded commands, or answers to them",
	"told that a member has closed its connections", "asked for votes as the leader is closed", "asked for votes after others had their turn",
	"entry applied to a database", "commits of a database taken back by a crash", "database without a way on", "database restored by the operator", "database given up",
	"history asked for", "history applied to a database", "history asked for of a silent member", "no exported state to be had",
	"exported state that is too old", "exported state imported", "state exported", "export failed", "log store could not be read for a member",
	"entry kept under a snapshot", "gap in a log filled", "log kept over its limits", "log kept while a member has not said for long what it needs",
	"database put back to an older copy", "what a member needs lost or late", "exported state cut on its way", "exported state begun anew", "member removed that others kept the log for",
	"commit waits at its begin", "commit refused at its begin", "early end of a wait held", "acknowledgement held", "commit whose epoch is over",
	"server demoted", "server promoted", "server follows", "server sealed", "half a record cut off", "WAL gone that a server needs", "server rewound", "server cloned", "rejoin cut short", "server made anew by the operator", "order cut between two acts",
	"commit on a server", "commit on a server refused", "commit on a server of unknown outcome", "epoch begun after an open one", "epoch opened after another", "sync set changed", "commit given up",
	"server boots with doubt", "data trusted again, as it has streamed enough", "marker of a rejoin found at a boot", "boot refused for a setting", "copy of a data directory put back",
	"server told that failover is off", "epoch granted by an override", "acknowledged commit given up by an override",
	"switchover asked for", "server stopped by a switchover", "switchover without a disturbance",
	"server that died as it was told that failover is off",
	"server of a new member cloned", "data taken along to another Raft id", "machine of a server lost for good", "server of a later member serves", "server serves that went on alone",
}

func (m *Marks) add(k mark) { m.plain[k]++ }

func (m *Marks) fault(name string) {
	if m.faults == nil {
		m.faults = map[string]uint64{}
	}
	m.faults[name]++
}

func (m *Marks) message(i wireInfo) {
	switch {
	case i.body == bodyRaft:
		m.messages[i.kind&31]++
	case i.body == bodyLostData:
		m.add(markLossTold)
	case i.body <= lastBody:
		m.others[i.body]++
	}
}

func (m *Marks) refused(r corepb.Refusal) { m.refusals[r&15]++ }

func (m *Marks) reply(c core.Code) { m.replies[c&15]++ }

// Merge adds the marks of another run.
func (m *Marks) Merge(x *Marks) {
	for i := range x.plain {
		m.plain[i] += x.plain[i]
	}
	for k, v := range x.faults {
		if m.faults == nil {
			m.faults = map[string]uint64{}
		}
		m.faults[k] += v
	}
	for i := range x.messages {
		m.messages[i] += x.messages[i]
	}
	for i := range x.others {
		m.others[i] += x.others[i]
	}
	for i := range x.refusals {
		m.refusals[i] += x.refusals[i]
		m.replies[i] += x.replies[i]
	}
}

// Mark is a count with its name.
type Mark struct {
	Name  string `json:"name"`
	Count uint64 `json:"count"`
	Must  bool   `json:"must"` // 0 in a long campaign means a hole in the simulation
}

// List returns all marks in a fixed order: faults first. Those of databases need not be
// reached where no run had any.
func (m *Marks) List() []Mark {
	var l []Mark
	databases, servers := m.plain[markDatabaseApplied] > 0, m.plain[markServerCommits] > 0
	for _, k := range Kinds() {
		l = append(l, Mark{"fault " + k.Name, m.faults[k.Name], (databases || !k.databases) && (servers || !k.servers)})
	}
	for i, name := range markNames {
		l = append(l, Mark{name, m.plain[i], !slices.Contains(rareMarks, mark(i)) && (mark(i) < markDatabaseApplied || databases && mark(i) < markFenceWaits || servers && mark(i) >= markFenceWaits)})
	}
	for _, t := range []pb.MessageType{pb.MsgApp, pb.MsgAppResp, pb.MsgVote, pb.MsgVoteResp, pb.MsgPreVote, pb.MsgPreVoteResp,
		pb.MsgSnap, pb.MsgHeartbeat, pb.MsgHeartbeatResp, pb.MsgTimeoutNow} {
		l = append(l, Mark{"sent " + t.String(), m.messages[t], true})
	}
	for b := bodyForward; b <= lastBody; b++ {
		l = append(l, Mark{"sent " + wireInfo{body: b}.String(), m.others[b], true})
	}
	for _, r := range slices.Sorted(maps.Keys(corepb.Refusal_name)) {
		if r != int32(corepb.Refusal_NONE) {
			l = append(l, Mark{"greeted with " + corepb.Refusal_name[r], m.refusals[r], slices.Contains(mustRefuse, corepb.Refusal(r))})
		}
	}
	for c := core.OK; c <= core.NoRoom; c++ {
		l = append(l, Mark{"answered " + codeNames[c], m.replies[c], slices.Contains(mustAnswer, c)})
	}
	return l
}

// rareMarks are bounds that a standard run need not meet, and what a database does
// without as little as it can; a switchover is rarely left alone.
var rareMarks = []mark{markPeerQueueFull, markInboxFull, markDatabaseGivenUp, markSwitchoverEnded}

var mustRefuse = []corepb.Refusal{corepb.Refusal_OTHER_PROTOCOL, corepb.Refusal_OTHER_REPLICA, corepb.Refusal_REMOVED}

var mustAnswer = []core.Code{core.OK, core.NotLeader, core.Busy, core.TooLarge, core.Unknown, core.NoSuchNode, core.Conflict, core.QuorumAtRisk,
	core.NotPossible, core.RemovedMember, core.NoRoom}

var codeNames = [...]string{"ok", "not leader", "busy", "too large", "unknown", "no such node", "conflict", "last voter",
	"quorum at risk", "not possible", "removed member", "no room"}
