package core_test

import (
	"bytes"
	"fmt"
	"strings"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
)

// diskVerbs make disks slow, lossy and strange.
var diskVerbs = map[string]func(*script){
	// slow node=2: its disk answers only at sync node=2 [n=all];  fast: at once again
	"slow": func(s *script) { s.node().slow = true },
	"fast": func(s *script) { s.node().slow = false },
	"sync": func(s *script) { s.node().sync(s.num("n", len(s.node().queue))) },
	// queue node=2: batches that are not durable
	"queue": func(s *script) {
		n := s.node()
		for _, b := range n.written {
			s.printf("%s (answered)\n", batchText(b))
		}
		for _, b := range n.queue {
			s.printf("%s\n", batchText(b))
		}
	},
	// full node=2: its disk is, and its host says so;  room node=2: no longer
	"full": func(s *script) {
		s.node().step(core.DiskFull{Full: true})
		s.settle()
	},
	"room": func(s *script) {
		s.node().step(core.DiskFull{})
		s.settle()
	},
	// lazy node=2: its host applies nothing until apply node=2;  eager: at once again
	"lazy":  func(s *script) { s.node().lazy = true },
	"eager": func(s *script) { s.node().lazy = false },
	"apply": func(s *script) { s.node().apply() },
	// lose node=2 [entries=1] [promise]: the stopped node's disk lost what was synced
	"lose": func(s *script) {
		n := s.node()
		n.disk.log = n.disk.log[:max(0, len(n.disk.log)-s.num("entries", 0))]
		if s.has("commit") {
			n.disk.HardState.Commit = 0
		}
	},
	// damage node=2 what=hole|gap|index|snapshot|state|term: what a store may never return
	"damage": func(s *script) { s.damage(s.node(), s.text("what", "")) },
	// disks, one line a node: "1: term 3 [vote 2] [commit 1] log 1 1 2 3*", the
	// terms of its entries from index 1 on, * for one that fills a message. All
	// are voters; the first entry is in the snapshot that they begin with.
	"disks": func(s *script) { s.disks() },
	// start: all nodes that are not running
	"start": func(s *script) {
		for _, n := range s.all() {
			if n.core == nil && n.id.Invited() {
				n.start()
			}
		}
	},
}

func batchText(b core.Persist) string {
	s := fmt.Sprintf("%d:", b.Seq)
	if b.Snapshot != nil {
		s += fmt.Sprintf(" snapshot %d/%d", b.Snapshot.Index, b.Snapshot.Term)
	}
	if b.Mark != nil {
		s += fmt.Sprintf(" mark %d/%d", b.Mark.Index, b.Mark.Term)
	}
	for _, e := range b.Entries {
		s += fmt.Sprintf(" %d/%d", e.Index, e.Term)
	}
	if h := b.HardState; h != nil {
		s += fmt.Sprintf(" term %d vote %d commit %d", h.Term, core.NodeID(h.Vote), h.Commit)
	}
	if b.PromiseMillis > 0 {
		s += fmt.Sprintf(" promise %dms", b.PromiseMillis)
	}
	if b.Sync {
		s += " sync"
	}
	return s
}

func (s *script) damage(n *node, what string) {
	d := &n.disk
	switch what {
	case "hole": // an entry is missing between others
		d.log = append(d.log[:len(d.log)-2], d.log[len(d.log)-1])
	case "gap": // the entry after the snapshot is missing
		d.log = d.log[1:]
	case "index": // the snapshot is filed under another index
		d.Snapshot = &core.Snapshot{Index: d.Snapshot.Index + 1, Term: d.Snapshot.Term, Data: d.Snapshot.Data}
	case "snapshot":
		d.Snapshot = &core.Snapshot{Index: d.Snapshot.Index, Term: d.Snapshot.Term, Data: []byte("rubbish")}
	case "state": // the library's part decodes, the machine's does not
		d.Snapshot = &core.Snapshot{Index: d.Snapshot.Index, Term: d.Snapshot.Term, Data: s.snapshot(d, func(x *pb.Snapshot) { x.Data = []byte("rubbish") })}
	case "request":
		d.Snapshot = &core.Snapshot{Index: d.Snapshot.Index, Term: d.Snapshot.Term, Data: s.snapshot(d, func(x *pb.Snapshot) {
			x.Data = mustMarshal(&corepb.State{Requests: []*corepb.Request{{RequestId: []byte("short")}}})
		})}
	default:
		s.d.Fatalf(s.t, "no damage %q", what)
	}
}

func (s *script) snapshot(d *image, change func(*pb.Snapshot)) []byte {
	var x pb.Snapshot
	if err := proto.Unmarshal(d.Snapshot.Data, &x); err != nil {
		s.d.Fatalf(s.t, "%v", err)
	}
	change(&x)
	return mustMarshal(&x)
}

func mustMarshal(m proto.Message) []byte {
	b, err := proto.Marshal(m)
	if err != nil {
		panic(err)
	}
	return b
}

func (s *script) disks() {
	lines := strings.Split(strings.TrimSpace(s.d.Input), "\n")
	st := &corepb.State{ClusterUuid: make([]byte, 16), LastIncarnation: 1}
	conf := &pb.ConfState{}
	st.ClusterUuid[0] = 0xc1
	for i := range lines {
		n := s.create(uint32(i + 1))
		n.id.ClusterUUID, n.id.RaftID = [16]byte{0xc1}, core.RaftID(1, n.key)
		conf.Voters = append(conf.Voters, n.id.RaftID)
		st.Members = append(st.Members, &corepb.Member{RaftId: n.id.RaftID, Address: n.address, Port: 7000, ReplicaUuid: n.id.ReplicaUUID[:]})
	}
	base := &pb.Snapshot{Data: mustMarshal(st), Metadata: &pb.SnapshotMetadata{ConfState: conf, Index: new(uint64(1)), Term: new(uint64(1))}}
	for i, line := range lines {
		n := s.nodes[uint32(i+1)]
		head, log, ok := strings.Cut(line, " log 1")
		n.disk = image{Durable: core.Durable{Snapshot: &core.Snapshot{Index: 1, Term: 1, Data: mustMarshal(base)}}}
		h := &n.disk.HardState
		h.Commit = 1
		for f := strings.Fields(head)[1:]; ok && len(f) > 1; f = f[2:] {
			var v uint64
			if _, err := fmt.Sscan(f[1], &v); err != nil {
				s.d.Fatalf(s.t, "%s: %v", line, err)
			}
			switch f[0] {
			case "term":
				h.Term = v
			case "vote":
				h.Vote = core.RaftID(1, uint32(v))
			case "commit":
				h.Commit = v
			case "promise":
				n.disk.PromiseMillis = v
			default:
				ok = false
			}
		}
		if !ok {
			s.d.Fatalf(s.t, "not a disk: %s", line)
		}
		n.disk.log = s.entries(strings.Fields(log))
	}
}

// entries makes the same entry of the same index and term on every disk.
func (s *script) entries(terms []string) []core.Entry {
	var log []core.Entry
	before := uint64(1)
	for i, f := range terms {
		var term uint64
		f, large := strings.CutSuffix(f, "*")
		if _, err := fmt.Sscan(f, &term); err != nil {
			s.d.Fatalf(s.t, "term %q: %v", f, err)
		}
		e := core.Entry{Index: uint64(i + 2), Term: term}
		name := fmt.Sprintf("%d/%d", e.Index, term)
		data := []byte(name)
		if large {
			data = bytes.Repeat([]byte("x"), 40_000)
		}
		e.Data = mustMarshal(&corepb.Command{RequestId: fmt.Appendf(nil, "%-16s", name), Since: 1, Data: data})
		s.history.entries[spot{e.Index, e.Term}] = entry{before, fmt.Sprint(e.Kind) + string(e.Data)}
		log, before = append(log, e), term
	}
	return log
}
