package core

import (
	"fmt"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/pgraft/pgraft/core/checkpoint"
	"github.com/pgraft/pgraft/core/retain"
)

// Core is one member's consensus: go.etcd.io/raft with asynchronous storage
// writes, plus the decisions around it. Not safe for concurrent use.
type Core struct {
	cfg  Config
	self uint64
	rn   rawNode
	log  *tail
	machine

	now      uint64 // ticks since New
	role     raft.StateType
	lead     uint64 // Raft id, 0 = none known
	hard     HardState
	last     uint64 // last log index, durable or not
	removed  bool
	lost     bool   // the store lost what this node acknowledged: it elects nobody
	lossTold uint64 // tick at which the leader was told so last; 0 = never
	replayed uint64 // committed before this start: what is applied up to here is no news
	full     bool   // the disk is
	// fullAskedAt is the tick at which leadership was handed over last for that.
	fullAskedAt uint64

	timer    electionTimer
	promise  promise
	lease    lease
	peers    peers
	storage  storage
	proposed proposals
	changes  changes
	transfer transfer
	reads    reads
	retain   *retain.Machine
	failing  failing
	library  *checkpoint.Library // once a checkpoint was taken

	out Output

	// Scratch space of a Step: its batch, commands to append, messages that may grow.
	batch   batching
	appends []toAppend
	growing []growing

	// Scratch space: the message that comes in and the one that goes out.
	received incoming
	sent     outgoing
	cause    string // why this node may stop leading in this Step
}

// New starts a core from what the log store holds. It does nothing by itself:
// the first Step does.
func New(cfg Config, d Durable) (*Core, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	log, err := newTail(d)
	if err != nil {
		return nil, err
	}
	c := &Core{cfg: cfg, self: cfg.Identity.RaftID, log: log}
	c.requestIDs.window, c.requestIDs.seed = cfg.Limits.RequestWindow, mix(cfg.Seed+2)
	if err := c.machine.restore(log.marks[0]); err != nil {
		return nil, fmt.Errorf("core: stored %w", err)
	}
	if err := knowsAll(&c.machine, d.Entries, cfg.Newest); err != nil {
		return nil, err
	}
	last, _ := log.LastIndex() // never fails
	c.last = last
	// Applied entries can be ahead of the stored commit index: a commit index
	// is not synced (raft issue 300).
	d.HardState.Commit = max(d.HardState.Commit, c.machine.index)
	if d.HardState.Commit > last {
		return nil, fmt.Errorf("core: commit index %d is stored, but the log ends at %d: the log store lost entries", d.HardState.Commit, last)
	}
	log.hard = hardState(d.HardState)
	c.hard, c.replayed = d.HardState, d.HardState.Commit
	if c.rn.raw, err = raft.NewRawNode(cfg.raft(log)); err != nil {
		return nil, fmt.Errorf("core: %w", err)
	}
	c.storage = storage{libApplied: c.machine.index, marked: log.newest(), durableMark: log.newest()}
	c.proposed = newProposals()
	c.timer = electionTimer{random: cfg.Seed}
	c.reads = reads{life: mix(cfg.Seed)}
	c.retain = retain.New(c.self, mix(cfg.Seed+1))
	c.retainMembers()
	c.retainGaps(d)
	c.startFailover()
	c.boot(d)
	return c, nil
}

// boot sets the clocks of a node that starts. It may have promised, before it
// stopped, not to elect another leader, and remembers only the longest that it
// can have been. If the snapshot is newer than this node's removal, the node starts as
// removed.
func (c *Core) boot(d Durable) {
	c.removed = c.members.WasRemoved(c.self)
	c.promise.durableMillis = d.PromiseMillis
	if d.PromiseMillis > 0 {
		c.promise.bootUntil = c.ticks(d.PromiseMillis) + promiseSlackTicks
	}
	if c.removed {
		c.retain.Stop(removedText)
	}
	c.resetTimer()
	if c.onlyVoter() {
		c.timer.deadline = 1 // nobody else can win
	}
}

// ticks converts a time into ticks, rounded up.
func (c *Core) ticks(millis uint64) uint64 { return (millis + c.cfg.TickMillis - 1) / c.cfg.TickMillis }

// Step is the one door: it takes one input and returns everything that the host
// has to do about it.
func (c *Core) Step(in Input) Output {
	c.out, c.cause = Output{}, ""
	if b, ok := in.(Batch); ok {
		c.takeBatch(b.Inputs)
	} else {
		c.take(in)
	}
	c.settle()
	c.decideFailover()
	c.takeRetained()
	c.encodeGrown()
	return c.out
}

// take is what one input does, up to the settling.
func (c *Core) take(in Input) {
	if !c.quiet(in) {
		c.alone()
	}
	switch in := in.(type) {
	case Tick:
		c.tick()
	case Receive:
		c.receive(in)
	case Propose:
		c.propose(in)
	case AddNode:
		c.addNode(in)
	case RemoveNode:
		c.removeNode(in)
	case ReplaceNode:
		c.replaceNode(in)
	case TransferLeader:
		c.transferLeader(in)
	case ReadBarrier:
		c.read(&read{id: in.ID, kind: readBarrier})
	case ConfirmLeader:
		c.confirmLeader(in)
	case WaitApplied:
		c.read(&read{id: in.ID, kind: readWait, index: in.Index})
	case Cancel:
		c.cancel(in.ID)
	case Persisted:
		c.persisted(in.Seq)
		c.retain.Trimmed(in.First)
	case Applied:
		c.hostApplied(in.Index)
	case PeerUnreachable:
		c.rn.ReportUnreachable(in.RaftID)
	case PeerClosed:
		c.peerClosed(in)
	case SnapshotSent:
		c.snapshotSent(in)
	case DiskFull:
		c.diskFull(in)
	case Stop:
		c.writeDue()
	case RemovedByPeer:
		c.becomeRemoved("a member says so")
	case Needs:
		c.retain.SetNeed(retain.Need{From: in.From, Importable: in.Importable}, c.around())
	case FetchHistory:
		c.retain.Fetch(in.ID, in.After, in.Last, c.around())
	case HistoryRead:
		c.historyRead(in)
	case FetchState:
		c.retain.FetchState(in.ID, c.around())
	case Exported:
		c.retain.Exported(in.Ticket, in.Size, c.around())
	case FailoverServer:
		c.failoverMachine(in).Report(in.Server, c.now)
	case FailoverPort:
		c.failoverMachine(in).See(in.Port, c.now)
	case FailoverCompared:
		c.failoverMachine(in).Compared(in.Compared)
	case FailoverJoin:
		c.failoverMachine(in).Joins(in.Joining)
	case ProposeFailover:
		c.proposeFailover(in)
	default:
		panic(fmt.Sprintf("unknown input %T", in))
	}
}

// tick is the passing of time. Only a leader ticks the library: for every other
// role the library would draw an election timeout of its own.
func (c *Core) tick() {
	c.writeDue()
	c.now++
	if c.removed {
		return
	}
	if c.role == raft.StateLeader {
		c.rn.Tick()
	} else {
		c.rn.TickQuiesced()
		c.campaignWhenDue()
	}
	c.retryProposals()
	c.tickTransfer()
	c.handOverWhenFull()
	c.tickReads()
	c.retain.Tick(c.around())
	c.tickFailover()
}

// settle carries out what the library wants until it wants nothing more, and
// lets a leader go on with its duties in between.
func (c *Core) settle() {
	for {
		c.appendWaiting()
		c.drain()
		c.rerouteDue()
		c.leaderDuties()
		c.pumpReads()
		if !c.rn.HasReady() {
			break
		}
	}
	c.renewLease()
	c.markWhenDue()
}

// drain takes what the library has ready.
func (c *Core) drain() {
	for c.rn.HasReady() {
		rd := c.rn.Ready()
		c.sent.said = false // the heartbeats of one Ready say the same
		commit := c.hard.Commit
		c.observe(&rd)
		for _, s := range rd.ReadStates {
			c.readConfirmed(s)
		}
		var calls []*pb.Message
		for _, m := range rd.Messages {
			switch {
			case m.GetTo() == raft.LocalAppendThread:
				c.persist(m, rd.MustSync, commit)
			case m.GetTo() == raft.LocalApplyThread:
				c.applyCommitted(m)
			case m.GetType() == pb.MsgVote:
				calls = append(calls, m)
			default:
				c.sendRaft(m)
			}
		}
		c.callForVotes(calls)
	}
}

// step hands the library a message that the core has checked or made.
func (c *Core) step(m *pb.Message) {
	if err := c.rn.Step(m); err != nil && err != raft.ErrStepPeerNotFound && err != raft.ErrProposalDropped {
		c.event(Warning, "%v from node %d: %v", m.GetType(), NodeID(m.GetFrom()), err)
	}
}
