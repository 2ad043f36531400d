package checkpoint

import (
	"unsafe"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
)

// Mirrors of the library's unexported types: same fields, order and layout.
// check compares them with the library by reflection.
type (
	rawNodeMirror struct {
		raft               *raftMirror
		asyncStorageWrites bool
		prevSoftSt         *raft.SoftState
		prevHardSt         *pb.HardState
		stepsOnAdvance     []*pb.Message
	}
	raftMirror struct {
		id, Term, Vote              uint64
		readStates                  []raft.ReadState
		raftLog                     *raftLogMirror
		maxMsgSize                  uint64
		maxUncommittedSize          uint64
		trk                         trackerMirror
		state                       raft.StateType
		isLearner                   bool
		msgs                        []*pb.Message
		msgsAfterAppend             []*pb.Message
		lead                        uint64
		leadTransferee              uint64
		pendingConfIndex            uint64
		disableConfChangeValidation bool
		uncommittedSize             uint64
		readOnly                    *readOnlyMirror
		electionElapsed             int
		heartbeatElapsed            int
		checkQuorum                 bool
		preVote                     bool
		heartbeatTimeout            int
		electionTimeout             int
		randomizedElectionTimeout   int
		disableProposalForwarding   bool
		stepDownOnRemoval           bool
		tick                        func()
		step                        func(*raftMirror, *pb.Message) error
		logger                      raft.Logger
		pendingReadIndexMessages    []*pb.Message
		traceLogger                 raft.TraceLogger
	}
	raftLogMirror struct {
		storage             raft.Storage
		unstable            unstableMirror
		committed           uint64
		applying            uint64
		applied             uint64
		logger              raft.Logger
		maxApplyingEntsSize uint64
		applyingEntsSize    uint64
		applyingEntsPaused  bool
	}
	unstableMirror struct {
		snapshot           *pb.Snapshot
		entries            []*pb.Entry
		offset             uint64
		snapshotInProgress bool
		offsetInProgress   uint64
		logger             raft.Logger
	}
	readOnlyMirror struct {
		option           raft.ReadOnlyOption
		acks             map[uint64]uint64
		unconfirmedReads []*readReqMirror
		confirmedReads   uint64
	}
	readReqMirror struct {
		req   *pb.Message
		index uint64
	}
	trackerMirror struct {
		Config           trackerConfigMirror
		Progress         map[uint64]*progressMirror
		Votes            map[uint64]bool
		MaxInflight      int
		MaxInflightBytes uint64
	}
	trackerConfigMirror struct {
		Voters       [2]map[uint64]struct{}
		AutoLeave    bool
		Learners     map[uint64]struct{}
		LearnersNext map[uint64]struct{}
	}
	progressMirror struct {
		Match, Next      uint64
		sentCommit       uint64
		State            tracker.StateType
		PendingSnapshot  uint64
		RecentActive     bool
		MsgAppFlowPaused bool
		Inflights        *inflightsMirror
		IsLearner        bool
	}
	inflightsMirror struct {
		start, count int
		bytes        uint64
		size         int
		maxBytes     uint64
		buffer       []inflightMirror
	}
	inflightMirror struct{ index, bytes uint64 }
)

func mirror(rn *raft.RawNode) *rawNodeMirror { return (*rawNodeMirror)(unsafe.Pointer(rn)) }

// functions are the code that a node's tick and step point to: one pair for each
// role.
type functions struct{ tick, step uintptr }

func functionsOf(r *raftMirror) functions {
	return functions{code(unsafe.Pointer(&r.tick)), code(unsafe.Pointer(&r.step))}
}

func code(p unsafe.Pointer) uintptr { return **(**uintptr)(p) }
