package sim

// faultAdd: a spare server is to be a member.
var faultAdd = Kind{
	Name: "add", Group: "people", most: 3, alone: true,
	Doc:  "a member is added under load",
	draw: func(s *Stream, o *Options, d *Decision) { d.Node = uint32(s.Int(o.Nodes+1, o.Nodes+spares)) },
	begin: func(w *World, s *strike) string {
		if w.operator.want[s.node.id-1] {
			return ""
		}
		w.operator.want[s.node.id-1] = true
		return "it is to be a member"
	},
}
