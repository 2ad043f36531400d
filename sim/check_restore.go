package sim

import (
	"bytes"

	"github.com/pgraft/pgraft/core"
)

// shadow is the core that a checkpoint was taken of, beside the one that was made
// of it: it gets the same inputs, and has to give the same outputs, to the byte.
type shadow struct {
	core   *core.Core
	inputs int // that are left
	out    core.Output
}

// step gives the shadow the input that its twin is about to get.
func (s *shadow) step(in core.Input) { s.out = s.core.Step(in) }

// compare looks at what came of that.
func (s *shadow) compare(n *node, out core.Output) {
	var want, got core.Chain
	want.Add(&s.out)
	got.Add(&out)
	if w, g := *want.Parts(), *got.Parts(); w != g {
		n.w.fail(checkRestore, "%v was made of a checkpoint, and its output differs: %v are %v, in place of %v", n, core.PartNames, g, w)
	}
	if w, g := s.core.Status(), n.core.Status(); w != g {
		n.w.fail(checkRestore, "%v was made of a checkpoint, and is %+v in place of %+v", n, g, w)
	}
	if s.inputs--; s.inputs == 0 {
		s.sameState(n)
		n.shadow = nil
	}
}

// sameState: the two cores are in the same state.
func (s *shadow) sameState(n *node) {
	want, err := s.core.Checkpoint()
	if err == nil {
		var got []byte
		if got, err = n.core.Checkpoint(); err == nil && bytes.Equal(want, got) {
			return
		}
	}
	n.w.fail(checkRestore, "%v was made of a checkpoint, and its own checkpoint is another: %v", n, err)
}
