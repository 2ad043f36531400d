package replay

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pgraft/pgraft/core"
)

// Break is a condition to stop at.
type Break struct {
	ID    int
	What  string // term, index, role, check, text
	Value string
	Node  string // empty: any
	value uint64
}

func (b Break) String() string {
	t := fmt.Sprintf("%d: %s %s", b.ID, b.What, b.Value)
	if b.Node != "" {
		t += " on " + b.Node
	}
	return strings.TrimRight(t, " ")
}

func (s *Session) addBreak(args []string) error {
	b := Break{ID: s.nextID}
	if n := len(args); n > 2 && args[n-2] == "on" {
		b.Node, args = args[n-1], args[:n-2]
		if !slices.ContainsFunc(s.inc.Nodes, func(x *Node) bool { return x.Name == b.Node }) {
			return fmt.Errorf("no node %s here", b.Node)
		}
	}
	if len(args) == 0 {
		return errors.New("break needs what to stop at: term, index, role, check or text")
	}
	b.What, b.Value = args[0], strings.Join(args[1:], " ")
	switch b.What {
	case "term", "index":
		v, err := strconv.ParseUint(b.Value, 10, 64)
		if err != nil {
			return fmt.Errorf("not a number: %q", b.Value)
		}
		b.value = v
	case "role":
		for r := core.RoleFollower; r <= core.RoleRemoved; r++ {
			if strings.EqualFold(r.String(), b.Value) {
				b.value = uint64(r)
				b.Value = r.String()
			}
		}
		if core.Role(b.value).String() != b.Value {
			return fmt.Errorf("no role %q: follower, candidate, leader, learner or removed", b.Value)
		}
	case "check":
		if !slices.ContainsFunc(Checks, func(c string) bool { return strings.Contains(c, b.Value) }) {
			return fmt.Errorf("no check %q: they are %s", b.Value, strings.Join(Checks, ", "))
		}
		s.check()
	case "text":
		if b.Value == "" {
			return errors.New("break text needs words")
		}
	default:
		return fmt.Errorf("nothing to stop at: %q; it is term, index, role, check or text", b.What)
	}
	s.nextID++
	s.breaks = append(s.breaks, b)
	s.printf("breakpoint %s\n", b)
	return nil
}

func (s *Session) listBreaks([]string) error {
	for _, b := range s.breaks {
		s.printf("%s\n", b)
	}
	return nil
}

func (s *Session) deleteBreak(args []string) error {
	before := len(s.breaks)
	s.breaks = slices.DeleteFunc(s.breaks, func(b Break) bool { return len(args) == 1 && args[0] == strconv.Itoa(b.ID) })
	if len(s.breaks) == before {
		return fmt.Errorf("no breakpoint %s", strings.Join(args, " "))
	}
	return nil
}

// framePlace is one frame of one node: several can come between two inputs.
type framePlace struct{ node, frame int }

func placeOf(c *MergedCursor) framePlace { return framePlace{c.last, c.Nodes()[c.last].at} }

// check runs the safety checks over everything, once.
func (s *Session) check() {
	if s.found != nil {
		return
	}
	s.found, s.fails = map[int][]Violation{}, map[framePlace][]Violation{}
	k := NewChecker(s.inc)
	for c := s.order.Cursor(); c.Next(); {
		n := len(k.Violations)
		k.See(c.Event())
		if len(k.Violations) > n {
			s.found[c.N()] = append(s.found[c.N()], k.Violations[n:]...)
			s.fails[placeOf(c)] = k.Violations[n:]
		}
	}
}

func (s *Session) checks([]string) error {
	s.check()
	total := 0
	for n := 0; n <= s.order.Inputs(); n++ {
		for _, v := range s.found[n] {
			total++
			if !s.JSON {
				s.printf("#%d %v\n", n, v)
			} else if err := s.encode(map[string]any{"at": n, "violation": v}); err != nil {
				return err
			}
		}
	}
	if total == 0 {
		s.printf("nothing is wrong: %s\n", strings.Join(Checks, ", "))
	}
	return nil
}

// hits is the first breakpoint that the last event meets; nil if none.
func (s *Session) hits() *Break {
	i, e := s.cur.last, s.cur.Event()
	was, is := s.prev[i], s.now[i]
	passes := func(v, a, b uint64) bool { return a < v && v <= b }
	for j := range s.breaks {
		b := &s.breaks[j]
		if b.Node != "" && b.Node != e.Node.Name {
			continue
		}
		hit := false
		switch b.What {
		case "term":
			hit = passes(b.value, was.Term, is.Term)
		case "index":
			hit = passes(b.value, was.Last, is.Last) || passes(b.value, was.Commit, is.Commit) || passes(b.value, was.Applied, is.Applied)
		case "role":
			hit = is.Role == core.Role(b.value) && (was.Role != is.Role || was.RaftID == 0) && is.RaftID != 0
		case "check":
			hit = slices.ContainsFunc(s.fails[placeOf(s.cur)], func(v Violation) bool { return strings.Contains(v.Check, b.Value) })
		case "text":
			hit = e.says(b.Value)
		}
		if hit {
			return b
		}
	}
	return nil
}

// says looks for words in what the session shows of an event.
func (e *Event) says(words string) bool {
	words = strings.ToLower(words)
	if strings.Contains(strings.ToLower(e.Line()), words) {
		return true
	}
	if e.Step == nil {
		return false
	}
	return slices.ContainsFunc(e.Outputs(), func(l string) bool {
		l = strings.ToLower(l)
		// Who looks for words puts one space between them, where a line has columns.
		return strings.Contains(l, words) || strings.Contains(strings.Join(strings.Fields(l), " "), words)
	})
}

func (s *Session) forward([]string) error {
	if len(s.breaks) == 0 {
		return errors.New("there is no breakpoint; break sets one, goto end goes to the end")
	}
	for s.step() {
		if b := s.hits(); b != nil {
			s.printf("breakpoint %s\n", b)
			return s.show(nil)
		}
	}
	s.printf("the end: no breakpoint was met\n")
	return s.show(nil)
}

func (s *Session) reverse([]string) error {
	if len(s.breaks) == 0 {
		return errors.New("there is no breakpoint; break sets one, goto 0 goes to the beginning")
	}
	return s.backTo("no breakpoint was met before this", func() bool { return s.hits() != nil })
}

func (s *Session) find(args []string) error {
	words := strings.Join(args, " ")
	if words == "" {
		return errors.New("find needs a text")
	}
	at := s.N()
	for s.step() {
		if s.cur.Event().says(words) {
			return s.show(nil)
		}
	}
	if err := s.Goto(at); err != nil {
		return err
	}
	return fmt.Errorf("nothing says %q after input %d", words, at)
}

func (s *Session) rfind(args []string) error {
	words := strings.Join(args, " ")
	if words == "" {
		return errors.New("rfind needs a text")
	}
	return s.backTo(fmt.Sprintf("nothing says %q before this", words), func() bool { return s.cur.Event().says(words) })
}

// reverseInputs is how many inputs one look backwards replays.
const reverseInputs = 2000

// backTo goes to the last input before the present one at which match holds.
func (s *Session) backTo(none string, match func() bool) error {
	at := s.N()
	for end := at; end > 0; end -= reverseInputs {
		begin := max(0, end-reverseInputs)
		if err := s.Goto(begin); err != nil {
			return err
		}
		found := 0
		for s.step() && s.N() <= end && s.N() < at {
			if s.cur.Event().Step != nil && match() {
				found = s.N()
			}
		}
		if found > 0 {
			if err := s.Goto(found); err != nil {
				return err
			}
			return s.show(nil)
		}
	}
	if err := s.Goto(at); err != nil {
		return err
	}
	return errors.New(none)
}
