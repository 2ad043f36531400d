package checkpoint

// table lists every field reachable from raft.RawNode and what becomes of it.
const table = `
raft.RawNode.asyncStorageWrites bool | copied, and checked against the Config
raft.RawNode.prevHardSt *raftpb.HardState | copied
raft.RawNode.prevSoftSt *raft.SoftState | copied
raft.RawNode.raft *raft.raft | copied
raft.RawNode.stepsOnAdvance []*raftpb.Message | must be empty (always so with AsyncStorageWrites)
raft.ReadState.Index uint64 | copied
raft.ReadState.RequestCtx []uint8 | copied
raft.SoftState.Lead uint64 | copied
raft.SoftState.RaftState raft.StateType | copied
raft.raft.Term uint64 | copied
raft.raft.Vote uint64 | copied
raft.raft.checkQuorum bool | copied, and checked against the Config
raft.raft.disableConfChangeValidation bool | copied, and checked against the Config
raft.raft.disableProposalForwarding bool | copied, and checked against the Config
raft.raft.electionElapsed int | copied
raft.raft.electionTimeout int | copied, and checked against the Config
raft.raft.heartbeatElapsed int | copied
raft.raft.heartbeatTimeout int | copied, and checked against the Config
raft.raft.id uint64 | copied, and checked against the Config
raft.raft.isLearner bool | copied
raft.raft.lead uint64 | copied
raft.raft.leadTransferee uint64 | copied
raft.raft.logger raft.Logger | given to Node
raft.raft.maxMsgSize raft.entryEncodingSize | copied, and checked against the Config
raft.raft.maxUncommittedSize raft.entryPayloadSize | copied, and checked against the Config
raft.raft.msgs []*raftpb.Message | copied
raft.raft.msgsAfterAppend []*raftpb.Message | copied
raft.raft.pendingConfIndex uint64 | copied
raft.raft.pendingReadIndexMessages []*raftpb.Message | copied
raft.raft.preVote bool | copied, and checked against the Config
raft.raft.raftLog *raft.raftLog | copied
raft.raft.randomizedElectionTimeout int | left out; set to electionTimeout; never read with the core's own timer
raft.raft.readOnly *raft.readOnly | copied
raft.raft.readStates []raft.ReadState | copied
raft.raft.state raft.StateType | copied
raft.raft.step raft.stepFunc | from a donor node of the same role; code pointer checked on both sides
raft.raft.stepDownOnRemoval bool | copied, and checked against the Config
raft.raft.tick func() | from a donor node of the same role; code pointer checked on both sides
raft.raft.traceLogger raft.TraceLogger | given to Node
raft.raft.trk tracker.ProgressTracker | copied
raft.raft.uncommittedSize raft.entryPayloadSize | copied
raft.raftLog.applied uint64 | copied
raft.raftLog.applying uint64 | copied
raft.raftLog.applyingEntsPaused bool | copied
raft.raftLog.applyingEntsSize raft.entryEncodingSize | copied
raft.raftLog.committed uint64 | copied
raft.raftLog.logger raft.Logger | given to Node
raft.raftLog.maxApplyingEntsSize raft.entryEncodingSize | copied, and checked against the Config
raft.raftLog.storage raft.Storage | given to Node
raft.raftLog.unstable raft.unstable | copied
raft.readIndexRequest.index uint64 | copied
raft.readIndexRequest.req *raftpb.Message | copied
raft.readOnly.acks map[uint64]uint64 | copied
raft.readOnly.confirmedReads uint64 | copied
raft.readOnly.option raft.ReadOnlyOption | copied, and checked against the Config
raft.readOnly.unconfirmedReads []*raft.readIndexRequest | copied
raft.unstable.entries []*raftpb.Entry | copied
raft.unstable.logger raft.Logger | given to Node
raft.unstable.offset uint64 | copied
raft.unstable.offsetInProgress uint64 | copied
raft.unstable.snapshot *raftpb.Snapshot | copied
raft.unstable.snapshotInProgress bool | copied
tracker.Config.AutoLeave bool | copied
tracker.Config.Learners map[uint64]struct {} | copied
tracker.Config.LearnersNext map[uint64]struct {} | copied
tracker.Config.Voters quorum.JointConfig | copied
tracker.Inflights.buffer []tracker.inflight | live window only
tracker.Inflights.bytes uint64 | copied
tracker.Inflights.count int | copied
tracker.Inflights.maxBytes uint64 | copied
tracker.Inflights.size int | copied
tracker.Inflights.start int | normalised to 0
tracker.Progress.Inflights *tracker.Inflights | copied
tracker.Progress.IsLearner bool | copied
tracker.Progress.Match uint64 | copied
tracker.Progress.MsgAppFlowPaused bool | copied
tracker.Progress.Next uint64 | copied
tracker.Progress.PendingSnapshot uint64 | copied
tracker.Progress.RecentActive bool | copied
tracker.Progress.State tracker.StateType | copied
tracker.Progress.sentCommit uint64 | copied
tracker.ProgressTracker.Config tracker.Config | copied
tracker.ProgressTracker.MaxInflight int | copied, and checked against the Config
tracker.ProgressTracker.MaxInflightBytes uint64 | copied, and checked against the Config
tracker.ProgressTracker.Progress tracker.ProgressMap | copied
tracker.ProgressTracker.Votes map[uint64]bool | copied
tracker.inflight.bytes uint64 | copied
tracker.inflight.index uint64 | copied
`
