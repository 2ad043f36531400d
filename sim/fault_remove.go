package sim

// faultRemove: a member is to be one no longer. One that was a member before can
// be added again by a later decision.
var faultRemove = Kind{
	Name: "remove", Group: "people", most: 3, alone: true,
	Doc:  "a member is removed under load, the leader as often as not",
	draw: func(s *Stream, o *Options, d *Decision) { d.anyone(s, o) },
	begin: func(w *World, s *strike) string {
		if !w.operator.want[s.node.id-1] || w.wanted() <= 1 {
			return ""
		}
		w.operator.want[s.node.id-1] = false
		return "it is to be no member"
	},
}

// wanted is how many servers are to be members.
func (w *World) wanted() (n int) {
	for _, b := range w.operator.want {
		if b {
			n++
		}
	}
	return n
}
