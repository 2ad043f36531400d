package sim

import (
	"fmt"
	"time"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/pgraft/pgraft/core"
)

// faultCompactJoint: every node is started anew so that it takes a snapshot at each
// entry, and peer takes node's place in one change. In its middle, when the
// configuration is joint, Param says what happens: jointCrash and what follows.
var faultCompactJoint = Kind{
	Name: "compact-joint", Group: "people", most: 8, alone: true,
	Doc: "snapshots of a joint configuration are installed, or started from",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.Node = uint32(s.Int(1, o.Nodes))
		d.Peer = uint32(s.Int(o.Nodes+1, o.Nodes+spares))
		d.Param = int64(s.Below(5))
		d.For = s.Between(6*time.Second, 10*time.Second)
	},
	begin: func(w *World, s *strike) string {
		if want := w.operator.want; s.peer == nil || !want[s.node.id-1] || want[s.peer.id-1] {
			return ""
		}
		w.stageBegins(s)
		w.watching = append(w.watching, s)
		for _, n := range w.nodes {
			if n.state == running {
				w.set(s, n, compactAtOnce)
			}
		}
		if s.peer.state != running {
			w.remember(s, s.peer)
			compactAtOnce(&s.peer.timing)
		}
		return fmt.Sprintf("node %d is to take its place", s.Peer)
	},
	stage: compactJoint,
	watch: watchJoint,
	end: func(w *World, s *strike) {
		w.jointDeaf(s, nil)
		w.stageEnds(s)
	},
}

const (
	jointCrash        = iota // the first node that is in it crashes
	jointLeader              // the leader crashes, for long
	jointAll                 // the leader and node are cut off, and all crash
	jointInstall             // a voter that was apart gets a snapshot of it
	jointInstallCrash        // the same, and crashes while it installs it
)

func compactAtOnce(c *core.Config) { c.SnapshotEntries, c.MaxTailBytes = 1, 1 }

// compactJoint: the stages are 0 there is a leader again, 1 the change is under
// way, 2 the configuration is joint, 3 it is over.
func compactJoint(w *World, s *strike) {
	l := w.leader()
	switch s.stage {
	case 0:
		if l == nil || w.now < s.since+200*time.Millisecond || !w.votes(s.node) {
			return
		}
		if l == s.node {
			w.hand(s, w.other(s, l))
			return
		}
		if s.third == nil && s.leader == nil && s.Param >= jointInstall {
			if s.third = s.node; s.draws.Below(3) > 0 {
				s.third = w.other(s, l, s.node)
			}
			if s.third != nil {
				w.part(s, s.third)
			}
		}
		if faultReplaceBy.begin(w, s) != "" {
			s.term = l.status.Term
			w.next(s, 1, 0, 0)
		}
	case 2:
		if w.waited(s) {
			w.rejoin(s)
			w.jointDeaf(s, nil)
			for _, n := range w.nodes {
				if n == s.leader && s.Param == jointCrash || s.Param == jointAll {
					w.again(n, Pick(&s.draws, surviveAll, survivePrefix), s.draws.Between(0, 300*time.Millisecond))
				}
			}
			if s.leader != nil && s.leader != s.node && s.draws.Below(3) > 0 {
				w.part(s, s.leader, s.peer) // a quorum of the new voters
			}
			w.next(s, 3, 4*time.Second, 4*time.Second)
		}
	case 3:
		if w.waited(s) {
			w.rejoin(s)
		}
	}
}

// watchJoint strikes when a node is in the joint configuration, and again when the
// one that was apart installs a snapshot of it.
func watchJoint(w *World, s *strike, n *node) {
	if s.stage >= 2 && n == s.third && n.disk.installsJoint() {
		s.leader, s.third = s.third, nil
		w.marks.add(markJointSnapshot)
		w.next(s, 2, 10*time.Millisecond, 300*time.Millisecond)
		if s.Param == jointInstallCrash {
			w.soon(func() {
				w.again(n, survival(s.draws.Below(3)), s.draws.Between(time.Millisecond, 300*time.Millisecond))
			})
		}
		return
	}
	if s.stage != 1 || n.seen.joint == nil {
		return
	}
	l := w.leader()
	switch s.Param {
	case jointCrash, jointAll:
		if l == nil || n != l && s.Param == jointAll {
			return
		}
		// Nothing more is committed, so the configuration stays joint; the others
		// hear that it is.
		s.leader = n
		w.jointDeaf(s, l)
		w.next(s, 2, 10*time.Millisecond, 800*time.Millisecond)
	case jointLeader:
		if n != l {
			return
		}
		w.next(s, 3, 0, 0)
		w.soon(func() {
			w.again(n, survival(s.draws.Below(3)), s.draws.Between(time.Second, 3*time.Second))
		})
	default:
		if n != l {
			return
		}
		// Without the one that comes nothing more is committed.
		w.part(s, s.peer)
		w.next(s, 2, 500*time.Millisecond, 2*time.Second)
	}
}

// jointDeaf has a node hear nobody; nil: everybody hears again.
func (w *World) jointDeaf(s *strike, n *node) {
	for _, x := range w.nodes {
		if s.deaf != nil && x != s.deaf {
			w.link(x, s.deaf).cut--
		}
		if n != nil && x != n {
			w.link(x, n).cut++
		}
	}
	s.deaf = n
}

// installsJoint says that a snapshot of a joint configuration is on its way to the
// disk.
func (d *disk) installsJoint() bool {
	for _, bs := range [][]core.Persist{d.queue, d.writing, d.unsynced} {
		for i := range bs {
			var s pb.Snapshot
			if bs[i].Snapshot == nil {
				continue
			}
			if err := proto.Unmarshal(bs[i].Snapshot.Data, &s); err != nil {
				panic(err)
			}
			if len(s.GetMetadata().GetConfState().GetVotersOutgoing()) > 0 {
				return true
			}
		}
	}
	return false
}
