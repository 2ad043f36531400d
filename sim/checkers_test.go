package sim

import (
	"maps"
	"slices"
	"testing"
	"time"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
)

// TestCheckersFire has a violation of what each checker checks, made by hand: every one
// of Checks sees its own.
func TestCheckersFire(t *testing.T) {
	breaks := map[string]func(t *testing.T, w *World, l, f *node){
		checkLeader: func(t *testing.T, w *World, l, f *node) {
			f.status.Role = core.RoleLeader
			w.checks.stepped(f)
		},
		checkLog: func(t *testing.T, w *World, l, f *node) {
			i := f.seen.last()
			e := core.Entry{Index: i, Term: f.seen.at(i).term, Data: []byte("another")}
			w.checks.persist(f, &core.Persist{Seq: f.seen.seq + 1, Entries: []core.Entry{e}})
		},
		checkComplete: func(t *testing.T, w *World, l, f *node) {
			f.seen.slots = f.seen.slots[:len(f.seen.slots)-20]
			f.status.Role, f.status.Term = core.RoleLeader, f.status.Term+1
			w.checks.votes[vote{l.identity.RaftID, f.status.Term}] = f.identity.RaftID
			w.checks.stepped(f)
		},
		checkCommitted: func(t *testing.T, w *World, l, f *node) {
			f.seen.commit -= 3
			f.seen.at(f.status.Commit).chain++
			w.checks.stepped(f)
		},
		checkApplied: func(t *testing.T, w *World, l, f *node) {
			f.seen.pos = 0
			e := w.checks.order[0]
			w.checks.applied(f, &core.Apply{Index: e.index, Term: e.term, Data: []byte("something else")})
		},
		checkBack: func(t *testing.T, w *World, l, f *node) {
			f.status.Term--
			w.checks.stepped(f)
		},
		checkDurable: func(t *testing.T, w *World, l, f *node) {
			w.checks.sent(f, &core.Send{To: l.identity.RaftID},
				&wireInfo{body: bodyRaft, kind: pb.MsgAppResp, term: f.status.Term, index: f.disk.dir.last() + 1})
		},
		checkQuorum: func(t *testing.T, w *World, l, f *node) {
			for _, n := range w.nodes {
				n.disk.dir.log = n.disk.dir.log[:max(0, len(n.disk.dir.log)-5)]
			}
			w.checks.committed = w.checks.committed[:l.status.Commit]
			l.seen.commit--
			w.checks.stepped(l)
		},
		checkAck: func(t *testing.T, w *World, l, f *node) {
			o := finished(t, w, opWrite)
			w.checks.acknowledged(&request{node: f, op: o}, core.Reply{Code: core.OK, Index: o.index + 1, Term: o.applied.term})
		},
		checkRequest: func(t *testing.T, w *World, l, f *node) {
			o := finished(t, w, opWrite)
			f.seen.pos = len(w.checks.order)
			w.checks.applied(f, &core.Apply{Index: f.status.Last + 1, Term: f.status.Term, Data: o.data})
		},
		checkOutcome: func(t *testing.T, w *World, l, f *node) {
			o := &op{id: uint64(len(w.ops) + 1), outcome: refused, data: []byte{byte(len(w.ops) + 1), byte((len(w.ops) + 1) >> 8), 0, 0, 0, 0, 0, 0}}
			w.ops = append(w.ops, o)
			f.seen.pos = len(w.checks.order)
			w.checks.applied(f, &core.Apply{Index: f.status.Last + 1, Term: f.status.Term, Data: o.data})
		},
		checkMembers: func(t *testing.T, w *World, l, f *node) {
			l.seen.confs = append(l.seen.confs, l.status.Applied+1)
			w.checks.oneChange(l, &core.Entry{Index: l.status.Applied + 2, Term: l.status.Term, Kind: core.EntryConfChangeV2})
		},
		checkAlive: func(t *testing.T, w *World, l, f *node) {
			w.nodes[2].newest, w.nodes[1].newest, w.nodes[0].newest = stepTaken{}, stepTaken{}, stepTaken{}
			m := &corepb.MemberChange{Step: corepb.MemberChange_DEMOTE, Member: &corepb.Member{RaftId: f.identity.RaftID}}
			context, err := proto.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			w.checks.askedBefore(l, &core.Entry{Index: l.status.Last + 1, Term: l.status.Term}, &pb.ConfChangeV2{Context: context})
		},
		checkChange: func(t *testing.T, w *World, l, f *node) {
			w.checks.told(adminOf(w, l, w.nodes[3], adminAdd), core.Reply{Code: core.OK})
		},
		checkLease: func(t *testing.T, w *World, l, f *node) {
			f.lease = lease{until: f.clock.at(w.now) + time.Millisecond, term: f.status.Term}
			w.checks.leased(f)
		},
		checkPromise: func(t *testing.T, w *World, l, f *node) {
			f.disk.dir.hard = core.HardState{Term: f.status.Term + 1, Vote: f.identity.RaftID}
			w.checks.sent(f, &core.Send{To: 1 << 40}, &wireInfo{body: bodyRaft, kind: pb.MsgVote, term: f.status.Term + 1})
		},
		checkTurn: func(t *testing.T, w *World, l, f *node) {
			w.checks.sent(f, &core.Send{To: l.identity.RaftID}, &wireInfo{body: bodyRaft, kind: pb.MsgPreVote, term: f.status.Term + 1})
		},
		checkBounds: func(t *testing.T, w *World, l, f *node) {
			w.checks.sent(f, &core.Send{Data: make([]byte, maxMessage+1)}, &wireInfo{body: bodyRaft, kind: pb.MsgApp})
		},
		checkAnswer: func(t *testing.T, w *World, l, f *node) {
			w.checks.asks(f, core.ReadBarrier{ID: 1 << 40})
			w.checks.answers(f, core.Reply{ID: 1 << 40})
			w.checks.answers(f, core.Reply{ID: 1 << 40})
		},
		checkOrder: func(t *testing.T, w *World, l, f *node) {
			b := l.newBatch(nil)
			for range 2 {
				o := w.newCrowdOp(&l.draws, opRead)
				o.holds(opHeader)
				o.tries = 1
				b.inputs = append([]arrival{{in: core.Propose{RequestID: o.requestID, Data: o.data}}}, b.inputs...)
			}
			w.propose(l, b.proposals()[1])
			w.propose(l, b.proposals()[0])
			b.inOrder()
		},
		checkFresh: func(t *testing.T, w *World, l, f *node) {
			o := finished(t, w, opBarrier)
			o.acked = w.checks.acked
			w.checks.acknowledged(&request{node: f, op: o}, core.Reply{Code: core.OK, Index: o.acked - 1})
		},
		checkReads: func(t *testing.T, w *World, l, f *node) {
			for i := range f.disk.dir.log {
				f.disk.dir.log[i].Data = []byte("rotten")
			}
			s := For(1, "test")
			w.checks.readLog(f, &s)
		},
		checkLinear: func(t *testing.T, w *World, l, f *node) {
			finished(t, w, opBarrier).read = uint64(len(w.ops)) + 100
			w.checks.linear()
		},
		checkRecover: func(t *testing.T, w *World, l, f *node) {
			id := f.identity
			id.ClusterUUID[0]++
			w.checks.recovers(f, id, &core.Persist{})
		},
		checkAvailable: func(t *testing.T, w *World, l, f *node) {
			w.checks.available()
			a := &w.checks.availability
			a.since, a.asked, a.askings = 0, 0, availableAskings
			w.now += time.Minute
			w.o.Duration += 2 * time.Minute
			w.checks.available()
		},
		checkStatus: func(t *testing.T, w *World, l, f *node) {
			l.heardFrom(f.identity.RaftID).tick -= 5
			w.checks.statuses(l)
		},
		checkRestore: func(t *testing.T, w *World, l, f *node) {
			faultRestore.begin(w, &strike{node: f, Decision: Decision{Param: 9}})
			f.shadow.step(core.Tick{})
			f.shadow.compare(f, core.Output{Reply: []core.Reply{{ID: 7}}})
		},
		checkLiveness: func(t *testing.T, w *World, l, f *node) {
			f.crash(surviveAll)
			w.settled = true
			w.checks.live()
		},
		checkTransition: func(t *testing.T, w *World, l, f *node) {
			w.checks.persist(f, &core.Persist{Seq: f.seen.seq + 2})
		},
		checkPanic: func(t *testing.T, w *World, l, f *node) {
			holes := core.Persist{Entries: []core.Entry{{Index: f.disk.dir.last() + 2}}}
			w.failure = Run(Options{Seed: 3, stop: func(uint64) bool {
				f.disk.dir.write(&holes)
				return false
			}}).Failure
		},
		checkVersion: func(t *testing.T, w *World, l, f *node) {
			f.members.Version = core.NewestVersion
			w.checks.stepped(f)
		},
		checkStart: func(t *testing.T, w *World, l, f *node) {
			w.checks.beganOn(f, l.marker)
		},
		checkDatabase: func(t *testing.T, w *World, l, f *node) {
			c := f.database.now
			w.checks.databaseApplied(f, c, content{index: c.index + 2})
		},
		checkRetain: func(t *testing.T, w *World, l, f *node) {
			w.checks.trims(f, 2, f.database.told.From+1)
		},
		checkHistory: func(t *testing.T, w *World, l, f *node) {
			f.disk.dir.log[f.disk.dir.snapshot.Index-f.disk.dir.first].Data = []byte("another")
			w.checks.holdsCommitted(f)
		},
	}
	maps.Copy(breaks, breaksOfServers)
	ofDatabases := []string{checkDatabase, checkRetain, checkHistory}
	for _, check := range Checks() {
		t.Run(check, func(t *testing.T) {
			if breaks[check] == nil {
				t.Fatalf("no violation of %s is made here", check)
			}
			cluster := formed
			if slices.Contains(ofDatabases, check) {
				cluster = withDatabases
			}
			if breaksOfServers[check] != nil {
				cluster = withServers
			}
			w, l, f := cluster(t)
			breaks[check](t, w, l, f)
			if w.failure == nil || w.failure.Check != check {
				t.Fatalf("got %v, want a violation of %s", w.failure, check)
			}
		})
	}
	if len(breaks) != len(Checks()) {
		t.Errorf("violations of %d checkers are made here, and there are %d", len(breaks), len(Checks()))
	}
}
