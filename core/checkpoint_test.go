package core_test

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/pgraft/pgraft/core"
)

// shadow is a core made of a checkpoint. It takes the inputs of the original.
type shadow struct {
	of    *core.Core
	core  *core.Core
	steps int
}

// shadows takes checkpoints of a random cluster's nodes and compares.
type shadows struct {
	t     *testing.T
	seed  uint64
	of    map[*node][]*shadow
	roles map[core.Role]int // of the nodes when a checkpoint was taken
	seen  map[string]int    // what went on after one
	bytes int
}

const (
	shadowSteps   = 400 // that one is compared for
	shadowsOfNode = 3
)

func (s *shadows) take(n *node) {
	if len(s.of[n]) >= shadowsOfNode {
		return
	}
	b, err := n.core.Checkpoint()
	if err != nil {
		s.t.Fatal(err)
	}
	c, err := core.Restore(n.config(), b)
	if err != nil {
		s.t.Fatal(err)
	}
	s.compareStates(n.core, c)
	s.of[n] = append(s.of[n], &shadow{of: n.core, core: c})
	s.roles[n.core.Status().Role]++
	s.bytes += len(b)
}

func (s *shadows) compareStates(a, b *core.Core) {
	x, err := a.Checkpoint()
	if err != nil {
		s.t.Fatal(err)
	}
	y, err := b.Checkpoint()
	if err != nil {
		s.t.Fatal(err)
	}
	if !bytes.Equal(x, y) {
		s.t.Fatalf("seed %d: checkpoints of %d and %d bytes differ", s.seed, len(x), len(y))
	}
}

// step gives the input to all shadows of n, each its own copy.
func (s *shadows) step(n *node, in core.Input, out core.Output) {
	kept := s.of[n][:0]
	for _, x := range s.of[n] {
		if x.of != n.core { // n crashed
			continue
		}
		mine, err := core.DecodeInput(core.EncodeInput(nil, in))
		if err != nil {
			s.t.Fatal(err)
		}
		got := x.core.Step(mine)
		if !reflect.DeepEqual(got, out) || x.core.Status() != n.core.Status() {
			s.t.Fatalf("seed %d: node %d, %d steps after a checkpoint, %T %+v:\n%+v %+v\nwant\n%+v %+v", s.seed, n.id.NodeID, x.steps, in, in,
				got, x.core.Status(), out, n.core.Status())
		}
		s.saw(out)
		if x.steps++; x.steps < shadowSteps {
			kept = append(kept, x)
		} else {
			s.compareStates(n.core, x.core)
			s.seen["whole"]++
		}
	}
	s.of[n] = kept
}

func (s *shadows) saw(out core.Output) {
	for _, p := range out.Persist {
		if p.Snapshot != nil {
			s.seen["snapshot"]++
		}
		if p.Mark != nil {
			s.seen["mark"]++
		}
		for _, e := range p.Entries {
			if ch, ok, err := core.Change(e); err != nil {
				s.t.Fatal(err)
			} else if ok {
				s.seen[fmt.Sprint(ch.GetStep())]++
			}
		}
	}
	s.seen["applied"] += len(out.Apply)
	s.seen["replies"] += len(out.Reply)
}

// A core made of a checkpoint does what the original does, to the byte, whenever
// it was taken: in every role, with changes, reads, transfers and snapshots
// under way.
func TestCheckpointInLockstep(t *testing.T) {
	s := &shadows{t: t, of: map[*node][]*shadow{}, roles: map[core.Role]int{}, seen: map[string]int{}}
	for seed := range uint64(18) {
		x := newRandom(seed)
		clear(s.of)
		s.seed = seed
		x.onStep = s.step
		for range 4000 {
			x.step()
			if x.r.IntN(10) == 0 {
				s.take(x.pick())
			}
		}
	}
	n := 0
	for _, role := range []core.Role{core.RoleFollower, core.RoleCandidate, core.RoleLeader, core.RoleLearner, core.RoleRemoved} {
		if s.roles[role] == 0 {
			t.Errorf("no checkpoint of a %v", role)
		}
		n += s.roles[role]
	}
	for _, what := range []string{"whole", "snapshot", "mark", "applied", "replies", "ADD", "PROMOTE", "REPLACE", "DEMOTE", "REMOVE"} {
		if s.seen[what] == 0 {
			t.Errorf("never after a checkpoint: %s", what)
		}
	}
	t.Logf("%d checkpoints of %d bytes on average, %v, then %v", n, s.bytes/max(n, 1), s.roles, s.seen)
}

func TestRestoreRefuses(t *testing.T) {
	x := newRandom(1)
	x.steps(500)
	n := x.pick()
	good, err := n.core.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	other := n.config()
	other.ElectionTicks++
	if _, err := core.Restore(other, good); err == nil {
		t.Error("restored under another configuration")
	}
	version := bytes.Clone(good)
	version[len("pgraft checkpoint")]++
	if _, err := core.Restore(n.config(), version); !errors.Is(err, core.ErrCheckpointVersion) {
		t.Errorf("another version: %v", err)
	}
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 0x10
		if _, err := core.Restore(n.config(), bad); err == nil {
			t.Errorf("restored with byte %d of %d changed", i, len(good))
		}
		if _, err := core.Restore(n.config(), good[:i]); err == nil {
			t.Errorf("restored from %d of %d bytes", i, len(good))
		}
	}
	seed := n.config()
	seed.Seed++ // looked at only when a core starts
	if _, err := core.Restore(seed, good); err != nil {
		t.Error(err)
	}
}

// What a recorder pays now and then.
func BenchmarkCheckpoint(b *testing.B) {
	for _, size := range []int{0, 1000} {
		c := newCluster()
		c.quiet = true
		c.form(3)
		for range size {
			c.propose(c.nodes[1], 0, strings.Repeat("x", 100))
		}
		c.stabilize()
		n := c.nodes[1]
		b.Run(fmt.Sprintf("take/entries=%d", size), func(b *testing.B) {
			for b.Loop() {
				data, err := n.core.Checkpoint()
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(len(data)), "bytes")
			}
		})
		data, err := n.core.Checkpoint()
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("restore/entries=%d", size), func(b *testing.B) {
			for b.Loop() {
				if _, err := core.Restore(n.config(), data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
