package core_test

import (
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestScripts runs the stories of testdata/core; README.md documents the
// language. Rewrite with: go test ./core -run TestScripts -rewrite
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "../testdata/core", func(t *testing.T, path string) {
		s := &script{cluster: newCluster()}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			s.t, s.d = t, d
			s.out.Reset()
			defer func() {
				if r := recover(); r != nil {
					t.Fatalf("%s: %s: %v\nafter this output:\n%s\n%s", d.Pos, d.Cmd, r, s.out.String(), debug.Stack())
				}
			}()
			s.do()
			if s.out.Len() == 0 {
				return "ok"
			}
			return s.out.String()
		})
	})
}

// script is a cluster and the command that it is carrying out.
type script struct {
	*cluster
	t *testing.T
	d *datadriven.TestData
}

// verbs are the commands, a file for each group.
var verbs = func() map[string]func(*script) {
	all := map[string]func(*script){}
	for _, group := range []map[string]func(*script){flowVerbs, networkVerbs, nodeVerbs, diskVerbs, askVerbs, readVerbs, doorVerbs, keeperVerbs, failoverVerbs, showVerbs, startVerbs} {
		maps.Copy(all, group)
	}
	return all
}()

func (s *script) do() {
	verb, ok := verbs[s.d.Cmd]
	if !ok {
		switch s.d.Cmd {
		case "repeat", "do":
			s.repeat()
			return
		case "batch":
			s.batch()
			return
		}
		s.d.Fatalf(s.t, "unknown verb %q; there are %v", s.d.Cmd, slices.Sorted(maps.Keys(verbs)))
	}
	verb(s)
	s.checkLease()
}

// batch node=1: its input are commands, one a line; what they give the node to take is
// one batch.
func (s *script) batch() {
	defer s.settle()
	s.gathers = s.node()
	s.repeat()
	s.takeBatch()
}

// repeat [n=2] and do: their input are commands, one a line, to be carried out n
// times or once.
func (s *script) repeat() {
	outer, n := s.d, 1
	if s.d.Cmd == "repeat" {
		n = s.num("n", 2)
	}
	for range n {
		for line := range strings.Lines(outer.Input) {
			cmd, args, err := datadriven.ParseLine(line)
			if err != nil {
				outer.Fatalf(s.t, "%v", err)
			}
			s.d = &datadriven.TestData{Pos: outer.Pos, Cmd: cmd, CmdArgs: args}
			s.do()
		}
	}
}

// num reads an optional number.
func (s *script) num(name string, def int) int {
	s.d.MaybeScanArgs(s.t, name, &def)
	return def
}

func (s *script) text(name, def string) string {
	s.d.MaybeScanArgs(s.t, name, &def)
	return def
}

func (s *script) has(name string) bool { return s.d.HasArg(name) }

// node is the one that the command names, node 1 if it names none.
func (s *script) node() *node { return s.nodeAt("node") }

func (s *script) nodeAt(arg string) *node {
	n := s.nodes[uint32(s.num(arg, 1))]
	if n == nil {
		s.d.Fatalf(s.t, "there is no node %d", s.num(arg, 1))
	}
	return n
}

// settle follows a command that ends with all that comes of it, unless it says
// hold.
func (s *script) settle() {
	if !s.has("hold") && s.gathers == nil {
		s.stabilize()
	}
}

func (s *script) pattern() pattern {
	p := pattern{from: uint32(s.num("from", 0)), to: uint32(s.num("to", 0))}
	if a, ok := s.d.Arg("type"); ok {
		p.kinds = a.Vals
	}
	return p
}
