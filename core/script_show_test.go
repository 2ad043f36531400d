package core_test

import (
	"fmt"
	"strings"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
)

// showVerbs print and change nothing.
var showVerbs = map[string]func(*script){
	// status [node=1]: one line a node
	"status": func(s *script) {
		for _, n := range s.all() {
			if !s.has("node") || n == s.node() {
				s.printf("%s\n", n.describe())
			}
		}
	},
	// members node=1: what it knows of all
	"members": func(s *script) {
		for _, m := range s.node().core.MemberStatuses() {
			id := m.Member.GetRaftId()
			s.printf("node %d incarnation %d %s:%d %v match %d", core.NodeID(id), core.Incarnation(id), m.Member.GetAddress(), m.Member.GetPort(), m.Member.GetRole(), m.Match)
			if m.Next > 0 {
				s.printf(" next %d", m.Next)
			}
			if m.Replicating {
				s.printf(" replicating")
			}
			if m.Alarm != core.NoAlarm {
				s.printf(" alarm %v", m.Alarm)
			}
			if m.Full {
				s.printf(" full")
			}
			if m.Newest > core.OldestVersion {
				s.printf(" newest %d", m.Newest)
			}
			if m.Heard {
				s.printf(" silent %dms\n", m.SilentMillis)
			} else {
				s.printf(" never heard\n")
			}
		}
	},
	// log node=1 [from=7]: what its disk holds durably
	"log": func(s *script) {
		n := s.node()
		if !s.has("from") {
			s.printf("snapshot %d/%d\n", n.disk.Snapshot.Index, n.disk.Snapshot.Term)
		}
		for _, e := range n.disk.log {
			if e.Index >= uint64(s.num("from", 0)) {
				s.printf("%d/%d %s\n", e.Index, e.Term, entryText(e))
			}
		}
	},
	// logs [from=7]: the terms of all disks' entries, as the Raft paper draws them
	"logs": func(s *script) {
		for _, n := range s.all() {
			if n.disk.Snapshot == nil {
				continue
			}
			s.printf("%d:", n.key)
			if uint64(s.num("from", 0)) <= n.disk.Snapshot.Index {
				s.printf(" [%d/%d]", n.disk.Snapshot.Index, n.disk.Snapshot.Term)
			}
			for _, e := range n.disk.log {
				if e.Index >= uint64(s.num("from", 0)) {
					s.printf(" %d", e.Term)
				}
			}
			s.printf("\n")
		}
	},
	// lease: who holds one, and for how long in true time
	"lease": func(s *script) {
		for _, n := range s.all() {
			if n.leaseEnd > s.time {
				s.printf("%d: until %d ms from now\n", n.key, (n.leaseEnd-s.time)/micros)
				return
			}
		}
		s.printf("nobody\n")
	},
	// applied: the user entries, in order
	"applied": func(s *script) {
		for i := uint64(0); i < 1<<16; i++ {
			if a, ok := s.history.applied[i]; ok {
				s.printf("%d/%d %.40q\n", a.Index, a.Term, a.Data)
			}
		}
	},
	// invariants: what has been checked so far, at every step
	"invariants": func(s *script) {
		h := s.history
		s.printf("%d terms with a leader, %d entries written, %d applied, %d acknowledged, %d snapshots equal\n",
			len(h.leaders), len(h.entries), len(h.applied), len(h.acked), len(h.marks))
	},
}

func entryText(e core.Entry) string {
	data, user, err := core.UserData(e)
	v, raises, _ := core.ClusterVersion(e) // the same error
	f, _, _ := core.FailoverEntry(e)       // so is this
	switch {
	case raises:
		return fmt.Sprintf("cluster version %d", v)
	case err != nil:
		return err.Error()
	case f != nil:
		return strings.TrimPrefix(fmt.Sprintf("%T", f), "failover.")
	case user && len(data) > 40:
		return fmt.Sprintf("%d bytes", len(data))
	case user:
		return fmt.Sprintf("%q", data)
	case e.Kind != core.EntryConfChangeV2:
		return "empty"
	}
	var cc pb.ConfChangeV2
	var ch corepb.MemberChange
	if err := proto.Unmarshal(e.Data, &cc); err != nil {
		return err.Error()
	}
	if err := proto.Unmarshal(cc.GetContext(), &ch); err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%s node %d", strings.ToLower(ch.GetStep().String()), core.NodeID(ch.GetMember().GetRaftId()))
}
