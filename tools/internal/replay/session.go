package replay

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/pgraft/pgraft/core"
)

// Session steps through an incident by commands, forward and back.
type Session struct {
	JSON bool // one object a line in place of text

	inc    *Incident
	out    io.Writer
	order  *Order
	cur    *MergedCursor
	breaks []Break
	nextID int
	last   string              // command, which an empty line repeats
	prev   []core.Status       // of each node, before the last event
	now    []core.Status       // and after it
	found  map[int][]Violation // after how many inputs
	fails  map[framePlace][]Violation
}

// NewSession begins before the first input.
func NewSession(inc *Incident, out io.Writer) (*Session, error) {
	o, err := inc.Order()
	if err != nil {
		return nil, err
	}
	s := &Session{inc: inc, out: out, order: o, cur: o.Cursor(), nextID: 1}
	s.statuses()
	return s, nil
}

// statuses reads all nodes anew, after a jump.
func (s *Session) statuses() {
	s.now = s.now[:0]
	for _, c := range s.cur.Nodes() {
		st := core.Status{}
		if c.Core() != nil {
			st = c.Core().Status()
		}
		s.now = append(s.now, st)
	}
	s.prev = slices.Clone(s.now)
}

// step goes one event on; false at the end.
func (s *Session) step() bool {
	if !s.cur.Next() {
		return false
	}
	i := s.cur.last
	copy(s.prev, s.now)
	s.now[i] = s.cur.Event().Status
	return true
}

// input goes on to the next input; false at the end.
func (s *Session) input() bool {
	for s.step() {
		if s.cur.Event().Step != nil || s.cur.Event().Err != nil {
			return true
		}
	}
	return false
}

// Goto goes to just after input n of all nodes together.
func (s *Session) Goto(n int) error {
	err := s.cur.Seek(n)
	s.statuses()
	return err
}

// N is where the session is: so many inputs have been given.
func (s *Session) N() int { return s.cur.N() }

// errUsage says that a command cannot be read.
var errUsage = errors.New("no such command; try help")

type command struct {
	names, args, help string
	do                func(*Session, []string) error
}

// Commands are in the order in which help shows them.
func commands() []command {
	return []command{
		{"next n step", "[COUNT]", "one input on, or COUNT", (*Session).next},
		{"back b prev", "[COUNT]", "one input back, or COUNT", (*Session).back},
		{"goto g", "N", "to just after input N; 0 is the beginning, end the end", (*Session).gotoArg},
		{"continue c", "", "on to the next breakpoint, or the end", (*Session).forward},
		{"reverse r", "", "back to the breakpoint before, or the beginning", (*Session).reverse},
		{"find /", "TEXT", "on to the next event that says TEXT", (*Session).find},
		{"rfind ?", "TEXT", "back to the last one that did", (*Session).rfind},
		{"break", "WHAT VALUE [on NODE]", "stop at: term 5, index 100, role leader, check [NAME], text WORDS", (*Session).addBreak},
		{"breaks", "", "list the breakpoints", (*Session).listBreaks},
		{"delete", "NUMBER", "remove a breakpoint", (*Session).deleteBreak},
		{"show s", "", "the last event again, with its output", (*Session).show},
		{"state", "[NODE]", "everything about a node at this instant", (*Session).state},
		{"nodes", "", "a line for each node", (*Session).nodes},
		{"checks", "", "what the safety checks found, in the whole incident", (*Session).checks},
		{"help h", "", "this list", (*Session).help},
	}
}

// Do carries out one command. An empty line repeats the one before.
func (s *Session) Do(line string) (quit bool, err error) {
	line = strings.TrimSpace(line)
	if line == "" {
		line = s.last
	}
	s.last = line
	words := strings.Fields(line)
	if len(words) == 0 {
		return false, nil
	}
	name, args := words[0], words[1:]
	if (name[0] == '/' || name[0] == '?') && len(name) > 1 { // as in a pager
		name, args = name[:1], append([]string{name[1:]}, args...)
	}
	if name == "quit" || name == "q" || name == "exit" {
		return true, nil
	}
	for _, c := range commands() {
		if slices.Contains(strings.Fields(c.names), name) {
			return false, c.do(s, args)
		}
	}
	return false, fmt.Errorf("%q: %w", name, errUsage)
}

func (s *Session) encode(v any) error { return json.NewEncoder(s.out).Encode(v) }

// printf says something to a person; for a machine that is an object, too.
func (s *Session) printf(f string, a ...any) {
	text := fmt.Sprintf(f, a...)
	if !s.JSON {
		fmt.Fprint(s.out, text)
	} else if err := s.encode(map[string]string{"message": strings.TrimSpace(text)}); err != nil {
		fmt.Fprint(s.out, err) // a text can always be encoded
	}
}

func count(args []string) (int, error) {
	if len(args) == 0 {
		return 1, nil
	}
	n, err := strconv.Atoi(args[0])
	if err != nil || n < 1 || len(args) > 1 {
		return 0, fmt.Errorf("not a count: %q", strings.Join(args, " "))
	}
	return n, nil
}

func (s *Session) next(args []string) error {
	n, err := count(args)
	if err != nil {
		return err
	}
	for range n {
		if !s.input() {
			s.printf("the end: all %d inputs are given\n", s.N())
			return nil
		}
	}
	return s.show(nil)
}

func (s *Session) back(args []string) error {
	n, err := count(args)
	if err != nil {
		return err
	}
	if err := s.Goto(max(0, s.N()-n)); err != nil {
		return err
	}
	return s.show(nil)
}

func (s *Session) gotoArg(args []string) error {
	if len(args) != 1 {
		return errors.New("goto needs a number, or end")
	}
	n := s.order.Inputs()
	if args[0] != "end" {
		var err error
		if n, err = strconv.Atoi(args[0]); err != nil {
			return fmt.Errorf("not a number: %q", args[0])
		}
	}
	if err := s.Goto(n); err != nil {
		return err
	}
	return s.show(nil)
}

// show prints the event that was played last.
func (s *Session) show([]string) error {
	e := s.cur.Event()
	if s.JSON {
		var v any = map[string]int{"at": s.N()}
		if e != nil {
			v = struct {
				At int `json:"at"`
				JSONEvent
			}{s.N(), e.JSON()}
		}
		return s.encode(v)
	}
	if e == nil {
		s.printf("#0 of %d: before the first input\n", s.order.Inputs())
		return nil
	}
	s.printf("#%d of %d  %s  node %s  input %d  %s\n", s.N(), s.order.Inputs(), e.Time.Format(clock), e.Node.Name, e.N, e.Line())
	if e.Err != nil {
		s.printf("    the replay of node %s ends here: %v\n", e.Node.Name, e.Err)
	}
	if e.Step != nil {
		for _, l := range e.Outputs() {
			s.printf("    %s\n", l)
		}
		if e.Step.Panic != "" {
			s.printf("    panic: %s\n", e.Step.Panic)
		}
		if !e.Step.Same() {
			s.printf("    another output than was recorded\n")
		}
	}
	for _, v := range s.fails[placeOf(s.cur)] {
		s.printf("    VIOLATED  %s: %s\n", v.Check, v.Text)
	}
	s.printf("    %s\n", StatusLine(e.Status))
	if e.Failover != nil {
		s.printf("    %s\n", e.Failover.Line(e.Status))
	}
	return nil
}

func (s *Session) nodes([]string) error {
	for i, n := range s.inc.Nodes {
		if s.JSON {
			v := map[string]any{"node": n.Name, "status": s.now[i], "role": s.now[i].Role.String()}
			if f := s.cur.Nodes()[i].Failover(); f != nil {
				v["server"] = f.ServerState(s.now[i]).String()
			}
			if err := s.encode(v); err != nil {
				return err
			}
			continue
		}
		c := s.cur.Nodes()[i]
		s.printf("node %s  input %d of %d  %s\n", n.Name, c.N(), n.Inputs, StatusLine(s.now[i]))
		if f := c.Failover(); f != nil {
			s.printf("    %s\n", f.Line(s.now[i]))
		}
	}
	return nil
}

// state prints one node, by default the one of the last event.
func (s *Session) state(args []string) error {
	i := max(s.cur.last, 0)
	if len(args) > 0 {
		if i = slices.IndexFunc(s.inc.Nodes, func(n *Node) bool { return n.Name == args[0] }); i < 0 {
			return fmt.Errorf("no node %s here", args[0])
		}
	}
	c := s.cur.Nodes()[i]
	if c.Core() == nil {
		if s.JSON {
			return json.NewEncoder(s.out).Encode(map[string]any{"node": s.inc.Nodes[i].Name, "n": c.N(), "status": nil})
		}
		s.printf("node %s: not started\n", s.inc.Nodes[i].Name)
		return nil
	}
	members := c.Core().MemberStatuses()
	if s.JSON {
		v := map[string]any{"node": s.inc.Nodes[i].Name, "n": c.N(), "status": c.Core().Status(),
			"role": c.Core().Status().Role.String(), "members": members, "config": c.Config()}
		if f := c.Failover(); f != nil {
			v["failover"] = f.lines(c.Core().Status())
		}
		return s.encode(v)
	}
	g := c.Config()
	s.printf("node %s after its input %d (number %d of this life)\n  %s\n", s.inc.Nodes[i].Name, c.N(), c.player.Seq(), StatusLine(c.Core().Status()))
	s.printf("  election after %d ticks of %d ms, heartbeat every %d, mark every %d entries, seed %x\n", g.ElectionTicks, g.TickMillis, g.HeartbeatTicks,
		g.SnapshotEntries, g.Seed)
	for _, m := range members {
		heard := "never heard of"
		if m.Heard {
			heard = fmt.Sprintf("heard of %d ms ago", m.SilentMillis)
		}
		s.printf("  %s %s at %s:%d, match %d, next %d, replicating %v, %s\n", node(m.Member.GetRaftId()), strings.ToLower(m.Member.GetRole().String()),
			m.Member.GetAddress(), m.Member.GetPort(), m.Match, m.Next, m.Replicating, heard)
	}
	for _, l := range c.Failover().lines(c.Core().Status()) {
		s.printf("  %s\n", l)
	}
	return nil
}

func (s *Session) help([]string) error {
	for _, c := range commands() {
		s.printf("%-16s %-22s %s\n", c.names, c.args, c.help)
	}
	s.printf("%-16s %-22s %s\n", "quit q", "", "end; an empty line repeats the command before")
	return nil
}

// SetOutput changes where the session writes.
func (s *Session) SetOutput(w io.Writer) { s.out = w }
