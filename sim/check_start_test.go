package sim

import (
	"testing"

	"github.com/pgraft/pgraft/core"
)

// beganOn sees each way in which a server starts on what it must not start on.
func TestBeganOn(t *testing.T) {
	for name, c := range map[string]struct {
		break_ func(w *World, n, other *node)
		fails  bool
	}{
		"its own directory":                    {func(*World, *node, *node) {}, false},
		"its own, without a marker until then": {func(_ *World, n, _ *node) { n.marker = nil }, false},
		"an emptied directory, as a new node": {func(w *World, n, _ *node) {
			n.disk.dir, n.state = &directory{}, uninitialised
			w.checks.beganOn(n, n.marker)
		}, true},
		"another node's directory": {func(w *World, n, other *node) {
			n.disk.dir, n.identity = other.disk.dir.clone(), other.disk.dir.identity
			w.checks.beganOn(n, nil)
		}, true},
		"another replica than the marker's": {func(w *World, n, _ *node) {
			had := *n.marker
			had.ReplicaUUID[0]++
			w.checks.beganOn(n, &had)
		}, true},
		"as somebody else": {func(w *World, n, _ *node) {
			n.identity.RaftID++
			w.checks.beganOn(n, n.marker)
		}, true},
		"without a marker from then on": {func(w *World, n, _ *node) {
			n.marker = nil
			w.checks.beganOn(n, nil)
		}, true},
		"not, though it is its own": {func(w *World, n, _ *node) {
			n.state = broken
			w.checks.beganOn(n, n.marker)
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			w, _, f := formed(t)
			f.crash(surviveAll)
			f.start() // as every start, it is looked at
			if w.failure != nil {
				t.Fatal(w.failure)
			}
			f.crash(surviveAll)
			f.state = waiting
			c.break_(w, f, w.leader())
			if !c.fails {
				f.state = down
				f.start()
			}
			switch {
			case !c.fails && (w.failure != nil || f.state != running || f.marker == nil):
				t.Errorf("got %v, and it is %v with the marker %+v; want it running", w.failure, f.state, f.marker)
			case c.fails && (w.failure == nil || w.failure.Check != checkStart):
				t.Errorf("got %v, want a violation of %s", w.failure, checkStart)
			}
		})
	}
}

// A start that core.TakeOver refuses leaves the directory and the marker alone.
func TestRefusedStartTouchesNothing(t *testing.T) {
	w, l, f := formed(t)
	f.crash(surviveAll)
	f.disk.dir = l.disk.dir.clone()
	dir, marker := *f.disk.dir, *f.marker
	f.start()
	if f.state != broken || f.disk.dir.identity != dir.identity || f.disk.dir.hard != dir.hard || f.marker.ReplicaUUID != marker.ReplicaUUID {
		t.Errorf("it is %v, with the directory of %+v and the marker %+v; want it refused, and both as they were", f.state, f.disk.dir.identity, f.marker)
	}
	if w.failure != nil {
		t.Error(w.failure)
	}
	if got := core.TakeOver(f.settings(), f.endpoint(), f.found()); got.Refusal != core.OtherNode {
		t.Errorf("refused for reason %d, want %d", got.Refusal, core.OtherNode)
	}
}
