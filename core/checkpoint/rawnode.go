// Package checkpoint writes the whole in-memory state of a running
// raft.RawNode of go.etcd.io/raft/v3 v3.7.0 to bytes, and makes a node of them
// that does the same from there on. The library has no such thing, so mirrors
// of its unexported types are read and written through unsafe; a test, and
// Open, compare all of their fields and layout with the linked library's.
//
// It works between any two calls of the node's methods, on the goroutine that
// owns it, with AsyncStorageWrites. The storage and what the library has handed
// out and not heard of yet are the caller's to keep.
package checkpoint

import (
	"errors"
	"fmt"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
)

// Library knows the linked library.
type Library struct {
	byRole [4]functions
}

// Open checks that the linked library is the one that this package knows. It
// takes about a tenth of a millisecond: keep what it returns.
func Open() (*Library, error) {
	if err := check(); err != nil {
		return nil, err
	}
	l := &Library{}
	for s := range l.byRole {
		n, err := donor(raft.StateType(s), raft.Config{ID: 1, ElectionTick: 2, HeartbeatTick: 1, MaxInflightMsgs: 1})
		if err != nil {
			return nil, err
		}
		l.byRole[s] = functionsOf(mirror(n).raft)
	}
	return l, nil
}

// Node codes *p. To be read, it needs the storage as it was and the
// configuration that the node was made with, both in cfg.
func (l *Library) Node(c *Codec, p **raft.RawNode, cfg *raft.Config) {
	state := raft.StateType(len(l.byRole))
	if c.Writing() {
		n := mirror(*p)
		state = n.raft.state
		switch {
		case !n.asyncStorageWrites || len(n.stepsOnAdvance) != 0:
			c.Fail("AsyncStorageWrites is off, or Advance is due")
		case int(state) >= len(l.byRole) || functionsOf(n.raft) != l.byRole[state]:
			c.Fail("tick and step are not those of role %v", state)
		}
	}
	Number(c, &state)
	if c.Err() != nil {
		return
	}
	if c.Writing() {
		c.node(mirror(*p))
		return
	}
	if int(state) >= len(l.byRole) {
		c.Fail("role %d", uint64(state))
		return
	}
	var err error
	if *p, err = donor(state, *cfg); err != nil {
		c.Fail("%v", err)
		return
	}
	l.read(c, mirror(*p), state, cfg)
}

// read fills n, a donor in the right role, with what is written.
func (l *Library) read(c *Codec, n *rawNodeMirror, state raft.StateType, cfg *raft.Config) {
	want := n.settings()
	c.node(n)
	if c.Err() != nil {
		return
	}
	r := n.raft
	switch {
	case r.state != state || functionsOf(r) != l.byRole[state]:
		c.Fail("role %v inside a checkpoint of role %v", r.state, state)
	case r.readOnly == nil || n.settings() != want:
		c.Fail("it was made under another configuration: %+v, not %+v", n.settings(), want)
	}
	r.logger, r.raftLog.logger, r.raftLog.unstable.logger = cfg.Logger, cfg.Logger, cfg.Logger
	r.traceLogger, r.raftLog.storage = cfg.TraceLogger, cfg.Storage
}

// settings is what the configuration alone decides.
type settings struct {
	id                           uint64
	maxMsgSize                   uint64
	maxUncommittedSize           uint64
	maxApplyingEntsSize          uint64
	maxInflight                  int
	maxInflightBytes             uint64
	heartbeat, election          int
	checkQuorum, preVote         bool
	noForwarding, stepDown, free bool
	readOnly                     raft.ReadOnlyOption
}

func (n *rawNodeMirror) settings() settings {
	r := n.raft
	s := settings{r.id, r.maxMsgSize, r.maxUncommittedSize, r.raftLog.maxApplyingEntsSize, r.trk.MaxInflight, r.trk.MaxInflightBytes,
		r.heartbeatTimeout, r.electionTimeout, r.checkQuorum, r.preVote,
		r.disableProposalForwarding, r.stepDownOnRemoval, r.disableConfChangeValidation, 0}
	if r.readOnly != nil {
		s.readOnly = r.readOnly.option
	}
	return s
}

// donor builds a node in the given role by the public API alone, over a scratch
// storage: its tick and step are the right ones and bound to itself.
func donor(s raft.StateType, cfg raft.Config) (*raft.RawNode, error) {
	id, preVote := cfg.ID, cfg.PreVote
	voters := []uint64{id}
	if s != raft.StateLeader {
		voters = append(voters, id+1) // so that it cannot win alone
	}
	storage := raft.NewMemoryStorage()
	base := &pb.SnapshotMetadata{Index: new(uint64(1)), Term: new(uint64(1)), ConfState: &pb.ConfState{Voters: voters}}
	if err := storage.ApplySnapshot(&pb.Snapshot{Metadata: base}); err != nil {
		return nil, fmt.Errorf("donor: %w", err)
	}
	cfg.Storage, cfg.Applied, cfg.Logger, cfg.TraceLogger = storage, 0, quiet{}, nil
	cfg.AsyncStorageWrites = true
	cfg.PreVote = s == raft.StatePreCandidate
	rn, err := raft.NewRawNode(&cfg)
	if err != nil {
		return nil, fmt.Errorf("donor: %w", err)
	}
	if s != raft.StateFollower {
		err = rn.Campaign()
	}
	if s == raft.StateLeader {
		for _, m := range rn.Ready().Messages {
			for _, r := range m.GetResponses() {
				if r.GetTo() == id {
					err = errors.Join(err, rn.Step(r))
				}
			}
		}
	}
	if got := rn.BasicStatus().RaftState; err != nil || got != s {
		return nil, fmt.Errorf("donor is %v, not %v: %w", got, s, err)
	}
	mirror(rn).raft.preVote = preVote
	return rn, nil
}

// quiet keeps the library's panics only.
type quiet struct{}

func (quiet) Debug(...any)              {}
func (quiet) Debugf(string, ...any)     {}
func (quiet) Error(...any)              {}
func (quiet) Errorf(string, ...any)     {}
func (quiet) Info(...any)               {}
func (quiet) Infof(string, ...any)      {}
func (quiet) Warning(...any)            {}
func (quiet) Warningf(string, ...any)   {}
func (quiet) Fatal(v ...any)            { panic(fmt.Sprint(v...)) }
func (quiet) Fatalf(f string, v ...any) { panic(fmt.Sprintf(f, v...)) }
func (quiet) Panic(v ...any)            { panic(fmt.Sprint(v...)) }
func (quiet) Panicf(f string, v ...any) { panic(fmt.Sprintf(f, v...)) }
