package sim

import (
	"slices"
	"testing"
	"time"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
)

// What one check looks at in several ways: each of them sees it.
func TestCheckersFireToo(t *testing.T) {
	for name, c := range map[string]struct {
		check  string
		break_ func(w *World, l, f *node)
	}{
		"a lease without promises": {checkPromise, func(w *World, l, f *node) {
			w.checks.promises = nil
			l.leaseUntil = 0
			w.checks.leased(l)
		}},
		"a start from a damaged directory": {checkDurable, func(w *World, l, f *node) {
			w.checks.damaged = []*directory{f.disk.dir}
			w.checks.started(f, core.Durable{})
		}},
		"an alarm of a node that lost nothing": {checkDurable, func(w *World, l, f *node) {
			f.status.Alarm = core.LostData
			w.checks.warned(f)
		}},
		"a vote of a node that lost entries": {checkDurable, func(w *World, l, f *node) {
			f.warned = true
			w.checks.sent(f, &core.Send{To: l.identity.RaftID}, &wireInfo{body: bodyRaft, kind: pb.MsgVoteResp, term: f.status.Term})
		}},
		"an older term committed by counting": {checkQuorum, func(w *World, l, f *node) {
			w.checks.committed = w.checks.committed[:l.status.Commit]
			l.seen.commit--
			l.seen.at(l.status.Commit).term--
			w.checks.stepped(l)
		}},
		"a leader for whom nobody voted": {checkLeader, func(w *World, l, f *node) {
			f.status.Role, f.status.Term = core.RoleLeader, f.status.Term+1
			w.checks.stepped(f)
		}},
		"a leader of the new voters alone": {checkLeader, func(w *World, l, f *node) {
			f.status.Role, f.status.Term = core.RoleLeader, f.status.Term+1
			w.checks.votes[vote{l.identity.RaftID, f.status.Term}] = f.identity.RaftID
			f.seen.joint = &jointChange{in: []uint64{l.identity.RaftID, f.identity.RaftID}}
			f.seen.wasJoint = f.seen.joint
			w.checks.elected(f)
		}},
		"a vote for a log that is behind": {checkComplete, func(w *World, l, f *node) {
			id, term := l.identity.RaftID, f.status.Term+1
			w.checks.candidates = map[candidacy]candidate{{id, term}: {logTerm: f.status.Term, index: f.status.Last - 1}}
			w.checks.gives(f, &core.HardState{Term: term, Vote: id})
		}},
		"a promise that is not stored": {checkDurable, func(w *World, l, f *node) {
			w.checks.sent(f, &core.Send{To: l.identity.RaftID},
				&wireInfo{body: bodyRaft, kind: pb.MsgHeartbeatResp, term: f.status.Term, promise: f.disk.dir.promise + 1})
		}},
		"entries left behind a batch": {checkTransition, func(w *World, l, f *node) {
			w.checks.stored(f, &core.Persist{Entries: []core.Entry{{Index: f.disk.dir.last() - 1}}})
		}},
		"an answer to a removed member": {checkMembers, func(w *World, l, f *node) {
			f.gone = true
			f.Send(core.Send{To: l.identity.RaftID})
		}},
		"a request twice in a log that is not committed": {checkRequest, func(w *World, l, f *node) {
			i := w.checks.order[len(w.checks.order)-1].index
			again := l.disk.dir.log[i-l.disk.dir.first]
			again.Index = l.seen.last() + 1
			w.checks.appendEntry(l, &again)
		}},
		"a request under another id": {checkRequest, func(w *World, l, f *node) {
			o := w.checks.order[0].op
			o.requestID[0]++
			o.places = nil
			w.checks.startLog(f, core.Durable{Entries: f.disk.dir.log})
		}},
		"a lease of the new voters alone": {checkPromise, func(w *World, l, f *node) {
			// The one who has not promised is the one that goes.
			w.checks.promises = slices.DeleteFunc(w.checks.promises, func(p made) bool { return p.replica != f.identity.RaftID })
			other := w.nodes[2]
			l.seen.confs, l.seen.baseJoint = nil, &jointChange{in: []uint64{f.identity.RaftID}, out: []uint64{other.identity.RaftID}}
			l.leaseUntil = 0
			w.checks.leased(l)
		}},
		"a removal answered while the node is a member": {checkChange, func(w *World, l, f *node) {
			a := adminOf(w, l, f, adminRemove)
			a.goes = f.identity.RaftID
			w.checks.told(a, core.Reply{Code: core.OK})
		}},
		"a replacement answered while both are members": {checkChange, func(w *World, l, f *node) {
			a := adminOf(w, l, f, adminReplace)
			a.old, a.goes, a.replica = w.nodes[2], w.nodes[2].identity.RaftID, f.identity.ReplicaUUID
			w.checks.told(a, core.Reply{Code: core.OK})
		}},
		"a transfer to one that never led": {checkChange, func(w *World, l, f *node) {
			w.checks.told(adminOf(w, l, f, adminTransfer), core.Reply{Code: core.OK})
		}},
		"a change refused and made": {checkChange, func(w *World, l, f *node) {
			a := adminOf(w, l, f, adminRemove)
			a.goes = f.identity.RaftID
			w.checks.changes = append(w.checks.changes, madeChange{w.now, 99, corepb.MemberChange_DEMOTE, &corepb.Member{RaftId: a.goes}})
			w.checks.told(a, core.Reply{Code: core.NotLeader})
		}},
		"a change that nobody asked for": {checkChange, func(w *World, l, f *node) {
			w.checks.begins(l, changeOf(t, corepb.MemberChange_DEMOTE, f.identity.RaftID))
		}},
		"a learner that becomes a voter out of reach": {checkChange, func(w *World, l, f *node) {
			l.heardFrom(f.identity.RaftID).tick -= 100
			w.checks.begins(l, changeOf(t, corepb.MemberChange_PROMOTE, f.identity.RaftID))
		}},
		"a removal without a quorum of the others": {checkChange, func(w *World, l, f *node) {
			adminOf(w, l, f, adminRemove).goes = f.identity.RaftID
			l.heard = nil
			w.checks.begins(l, changeOf(t, corepb.MemberChange_DEMOTE, f.identity.RaftID))
		}},
		"a confirmation by another leader": {checkFresh, func(w *World, l, f *node) {
			w.checks.answeredRead(&op{kind: opConfirm}, f, core.Reply{Term: l.status.Term})
		}},
		"a read of what the host has not taken over": {checkFresh, func(w *World, l, f *node) {
			f.untaken = []uint64{f.status.Applied}
			w.checks.answeredRead(&op{kind: opBarrier}, f, core.Reply{Index: f.status.Applied})
		}},
		"a request given up that is not answered": {checkAnswer, func(w *World, l, f *node) {
			w.checks.asks(f, core.ReadBarrier{ID: 1 << 40})
			w.checks.cancelled(f, core.Batch{Inputs: []core.Input{core.Applied{}, core.Cancel{ID: 1 << 40}}})
		}},
		"commands of one message out of their order": {checkOrder, func(w *World, l, f *node) {
			b := l.newBatch(nil)
			fwd := &corepb.Forward{}
			for range 3 {
				o := w.newCrowdOp(&l.draws, opRead)
				o.holds(opHeader)
				o.tries = 1
				fwd.More = append([]*corepb.Command{{RequestId: o.requestID[:], Data: o.data}}, fwd.More...)
				w.propose(l, o)
			}
			fwd.Command, fwd.More = fwd.More[0], fwd.More[1:]
			data, err := proto.Marshal(&corepb.Envelope{Body: &corepb.Envelope_Forward{Forward: fwd}})
			if err != nil {
				t.Fatal(err)
			}
			b.inputs = []arrival{{p: &packet{data: data, info: peek(data)}}}
			b.end()
		}},
		"a vote asked for before a turn": {checkTurn, func(w *World, l, f *node) {
			f.isTold(core.PeerClosed{RaftID: l.identity.RaftID, Closed: true})
			w.checks.sent(f, &core.Send{To: l.identity.RaftID}, &wireInfo{body: bodyRaft, kind: pb.MsgPreVote, term: f.status.Term + 1})
		}},
		"a removed node that does not answer": {checkLiveness, func(w *World, l, f *node) {
			f.waits = append(f.waits, &request{node: f, asked: true})
			w.checks.leaves(f)
		}},
		"a recovery that drops entries": {checkRecover, func(w *World, l, f *node) {
			id, b, err := core.Recover(f.identity, core.Durable{Snapshot: f.disk.dir.snapshot}, core.NewestVersion, [16]byte{7}, f.address, port)
			if err != nil {
				t.Fatal(err)
			}
			w.checks.recovers(f, id, &b)
		}},
		"a recovery that keeps the others": {checkRecover, func(w *World, l, f *node) {
			w.checks.recovery = recovery{w.checks.newestAt, f.identity}
			w.checks.sameMembers(f, f.members)
		}},
		"a recovery that does not start": {checkRecover, func(w *World, l, f *node) {
			f.crash(surviveAll)
			w.checks.recovered(f)
		}},
		"a leader that does nothing, and nobody asks for a vote": {checkAvailable, func(w *World, l, f *node) {
			w.checks.available()
			a := &w.checks.availability
			a.since, a.asked, a.askings, a.stirred = w.now, w.now, availableAskings, w.now
			w.now += (quietElections + 1) * time.Duration(l.timing.ElectionTicks) * l.tick()
			w.checks.available()
		}},
		"a member said to have what it has not": {checkStatus, func(w *World, l, f *node) {
			l.seen.base = 0
			f.disk.dir.log = f.disk.dir.log[:0]
			f.disk.dir.snapshot = nil
			w.checks.statuses(l)
		}},
		"a silence that does not grow": {checkStatus, func(w *World, l, f *node) {
			f.status.Tick += 100
			f.status.Lead = 0
			w.checks.statuses(f)
		}},
		"entries to a member out of reach": {checkStatus, func(w *World, l, f *node) {
			id := f.identity.RaftID
			l.heardFrom(id).tick = l.status.Tick - 50
			s := core.MemberStatus{Next: 2, Match: 1, Replicating: true, Heard: true, SilentMillis: 50 * l.timing.TickMillis}
			w.checks.statusOfFollower(l, &s, id)
		}},
		"a core made of a checkpoint that is in another state": {checkRestore, func(w *World, l, f *node) {
			faultRestore.begin(w, &strike{node: f, Decision: Decision{Param: 9}})
			f.shadow.core.Step(core.Tick{})
			f.shadow.sameState(f)
		}},
		"a removed member that is back": {checkChange, func(w *World, l, f *node) {
			w.checks.staysOut(l, core.Members{LastIncarnation: 9}, l.members)
		}},
		"a voter that takes itself for a learner": {checkMembers, func(w *World, l, f *node) {
			f.status.Role = core.RoleLearner
			w.checks.stepped(f)
		}},
		"a learner that takes itself for a voter": {checkMembers, func(w *World, l, f *node) {
			f.members = core.Members{}
			w.checks.stepped(f)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w, l, f := formed(t)
			c.break_(w, l, f)
			if w.failure == nil || w.failure.Check != c.check {
				t.Fatalf("got %v, want a violation of %s", w.failure, c.check)
			}
		})
	}
}
