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

// formed is a cluster of three that has worked for a while without a fault.
func formed(t *testing.T) (w *World, leader, follower *node) {
	t.Helper()
	return formedWith(t, newWorld(Options{Seed: 3, Databases: DatabasesOff, Faults: []string{}}.withDefaults()))
}

func formedWith(t *testing.T, w *World) (_ *World, leader, follower *node) {
	t.Helper()
	w.prepare(nil)
	w.until(5 * time.Second)
	if w.failure != nil {
		t.Fatal(w.failure)
	}
	leader = w.leader()
	if leader == nil {
		t.Fatal("nobody leads after 5 s without a fault")
	}
	follower = w.nodes[1]
	if follower == leader {
		follower = w.nodes[0]
	}
	return w, leader, follower
}

// finished finds an operation of a kind that was done.
func finished(t *testing.T, w *World, k opKind) *op {
	t.Helper()
	i := slices.IndexFunc(w.ops, func(o *op) bool { return o.kind == k && o.outcome == done && (k != opBarrier || o.read != 0) })
	if i < 0 {
		t.Fatalf("no operation of kind %d was done", k)
	}
	return w.ops[i]
}

// adminOf is something that an operator asked the leader for.
func adminOf(w *World, l, target *node, k adminKind) *adminRequest {
	a := &adminRequest{kind: k, target: target, term: l.status.Term}
	a.node, a.began = l, w.now
	w.operator.ever = append(w.operator.ever, a)
	return a
}

// changeOf is a membership entry about one member.
func changeOf(t *testing.T, step corepb.MemberChange_Step, id uint64) *core.Entry {
	t.Helper()
	ctx, err := proto.Marshal(&corepb.MemberChange{Step: step, Member: &corepb.Member{RaftId: id}})
	if err != nil {
		t.Fatal(err)
	}
	data, err := proto.Marshal(&pb.ConfChangeV2{Context: ctx})
	if err != nil {
		t.Fatal(err)
	}
	return &core.Entry{Index: 1000, Kind: core.EntryConfChangeV2, Data: data}
}
