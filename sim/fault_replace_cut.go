package sim

import "time"

// faultReplaceCut: peer takes node's place in one change, and in its middle, when
// the configuration is joint, the leader and one other are cut from the rest for
// For: with Param 0 the member that goes, with Param 1 the one that comes. Neither
// side has a quorum of both configurations then.
var faultReplaceCut = Kind{
	Name: "replace-cut", Group: "people", most: 3, alone: true,
	Doc: "a voter is replaced, and the network parts in the middle of it",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.Node = uint32(s.Int(1, o.Nodes))
		d.Peer = uint32(s.Int(o.Nodes+1, o.Nodes+spares))
		d.Param = int64(s.Below(2))
		d.For = s.Between(time.Second, 6*time.Second)
	},
	begin: func(w *World, s *strike) string {
		l := w.leader()
		what := ""
		if l != nil && l != s.node {
			what = faultReplaceBy.begin(w, s)
		}
		if what != "" {
			w.watching = append(w.watching, s)
		}
		return what
	},
	watch: func(w *World, s *strike, n *node) {
		l := w.leader()
		// The leader is the first to apply the change, with the one that goes it
		// is cut off once somebody else has, too.
		if s.apart != nil || n.seen.joint == nil || l == nil || l == s.node || (n == l) != (s.Param == 1) {
			return
		}
		s.apart = []*node{l, s.node}
		if s.Param == 1 {
			s.apart[1] = s.peer
		}
		w.say(l, "is cut off with %v in the middle of the change", s.apart[1])
		w.cutOff(s.apart, 1)
	},
	end: func(w *World, s *strike) { w.cutOff(s.apart, -1) },
}
