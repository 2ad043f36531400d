package sim

// faultReplaceBy: peer takes node's place, by the change that does it in one step.
var faultReplaceBy = Kind{
	Name: "replace-by", Group: "people", most: 3, alone: true,
	Doc: "a voter is replaced by a new member in one change",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.anyone(s, o)
		d.Peer = uint32(s.Int(o.Nodes+1, o.Nodes+spares))
	},
	begin: func(w *World, s *strike) string {
		want, leader := w.operator.want, w.leader()
		if s.peer == nil || leader == nil || leader.paused > 0 || s.peer.paused > 0 || want[s.peer.id-1] || !want[s.node.id-1] ||
			len(w.operator.asked) > 0 || !w.soundWithout(s.node) {
			return ""
		}
		if s.peer.state == uninitialised {
			s.peer.init(false)
		}
		if s.peer.state != waiting || !w.replace(leader, s.node, s.peer) {
			return ""
		}
		want[s.node.id-1], want[s.peer.id-1] = false, true
		return s.peer.String() + " is to take its place"
	},
}
