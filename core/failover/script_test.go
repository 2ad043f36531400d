package failover

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// Stories in testdata/failover/stories: the explorer's world, in which nothing happens
// by chance. A round lets everybody who is there apply the log, hear the others, decide
// and obey, and takes one tick; failover_delay is 4 ticks, an election timeout 3.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "../../testdata/failover/stories", func(t *testing.T, path string) {
		s := &story{}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			s.d, s.t = d, t
			if d.Cmd != "cluster" && s.x == nil {
				t.Fatalf("%s: the story begins with cluster", d.Pos)
			}
			return s.run()
		})
	})
}

type story struct {
	t *testing.T
	d *datadriven.TestData
	x *world
}

func (s *story) run() string {
	var err error
	switch s.d.Cmd {
	case "cluster":
		s.cluster()
	case "rounds":
		for range s.number("n", 1) {
			if err = s.x.round(); err != nil {
				break
			}
		}
	case "settle":
		return s.settle()
	case "status":
		return s.status()
	case "write":
		h := s.host()
		for range s.number("n", 1) {
			s.x.commit(h)
		}
		h.flushed = len(h.wal)
	case "ack":
		if n := s.x.acks; true {
			err = s.x.ack(s.host())
			s.x.say("%d of its commits are acknowledged anew", s.x.acks-n)
		}
	case "operator":
		s.operator()
	default:
		s.fault()
	}
	if s.x.needless != "" {
		s.x.say("NEEDLESS: %s", s.x.needless)
	}
	if err != nil {
		s.x.say("BROKEN: %v", err)
	}
	return s.said()
}

func (s *story) said() string {
	text := strings.Join(s.x.trace, "\n")
	s.x.trace = nil
	if text == "" {
		return "ok"
	}
	return text
}

func (s *story) number(name string, n int) int {
	s.d.MaybeScanArgs(s.t, name, &n)
	return n
}

func (s *story) host() *host {
	return s.x.host(uint64(s.number("node", 0)))
}

// fault is what goes wrong, or right again.
func (s *story) fault() {
	h := s.host()
	switch s.d.Cmd {
	case "kill": // the server's processes end: connections are reset, the port refuses
		s.x.crash(h)
		h.killed = true
	case "gone": // the machine is gone: nothing answers
		s.x.crash(h)
	case "start":
		h.down, h.killed = false, false
	case "crash": // of a backend: the server boots as a standby, its postmaster lives on
		s.x.crash(h)
		h.down = false
	case "elect": // it becomes the Raft leader
		s.x.elect(h)
	case "engine": // the engine alone ends, and starts
		s.x.start(h)
	case "cut":
		h.cut = true
	case "heal":
		h.cut = false
	case "lag": // it receives nothing, or again
		h.lags = !h.lags
	case "stall": // it carries no orders out, or again
		h.stalls = !h.stalls
	case "slow": // it has replayed nothing yet, and is slow at it
		h.slow, h.replayed = true, 0
	case "by-hand": // somebody promotes it, lets it write, and makes it a standby again
		t := h.history()[len(h.history())-1].Timeline + 1
		h.files[t] = append(slices.Clone(h.history()), Branch{t, uint64(len(h.wal))})
		h.wal = append(h.wal, record{t, 0}, record{t, 999})
		h.flushed, h.replayed = len(h.wal), len(h.wal)
	default:
		s.d.Fatalf(s.t, "unknown command")
	}
}

func (s *story) operator() {
	x, h := s.x, s.x.hosts[0]
	settings, mode := h.s.Settings, h.s.Mode
	switch {
	case s.d.HasArg("manual"):
		x.bag = append(x.bag, asked{Adjust{ModeManual, settings}, nil})
	case s.d.HasArg("quarantine"):
		x.bag = append(x.bag, asked{Quarantine{uint64(s.number("quarantine", 0)), QuarantinedByOperator}, nil})
	case s.d.HasArg("clear"):
		x.bag = append(x.bag, asked{Clear{uint64(s.number("clear", 0))}, nil})
	default:
		settings.SyncCount = uint32(s.number("w", int(settings.SyncCount)))
		if s.d.HasArg("preferred") {
			settings.Durability = Preferred
		}
		x.bag = append(x.bag, asked{Adjust{mode, settings}, nil})
	}
}

// cluster begins with node 1 as primary, and everybody following.
func (s *story) cluster() {
	x := &world{acked: map[record]uint64{}, term: 1}
	s.x = x
	set := Set{W: uint32(s.number("w", 1))}
	data := s.number("data", 3)
	for i := range data + s.number("witness", 0) {
		id := uint64(i + 1)
		h := &host{id: id, prio: 100, recovery: i > 0, notes: map[uint32]uint64{1: 1}, files: map[uint32][]Branch{}, heard: map[uint64]uint64{}}
		if h.witness = i >= data; !h.witness {
			h.wal, h.flushed = []record{{1, 0}}, 1
			x.log = append(x.log, Describe{Member: id, Boot: 1, Address: fmt.Sprint(id), Data: true, Joined: true, Priority: 100})
			if i > 0 {
				set.Members = append(set.Members, id)
			}
		}
		x.voters, x.hosts = append(x.voters, id), append(x.hosts, h)
		x.start(h)
	}
	settings := Settings{SyncCount: set.W, DelayMillis: exploreDelay, SyncTimeoutMillis: 2}
	if s.d.HasArg("preferred") {
		settings.Durability = Preferred
	}
	x.log = append(x.log, Enable{Epoch: 1, Primary: 1, Boot: 1, System: 1, LSN: 1, History: []Branch{{1, 0}}, Highest: 1, Set: set, Settings: settings})
	x.elect(x.hosts[0])
	for range 20 {
		if err := x.round(); err != nil {
			s.d.Fatalf(s.t, "%v", err)
		}
	}
	x.trace = nil
}

// settle runs rounds until one serves and all who are there follow it, and then some;
// or for so many rounds.
func (s *story) settle() string {
	most := s.number("max", 60)
	for n := range most {
		if s.x.settled() {
			s.x.say("settled after %d rounds", n)
			return s.said()
		}
		if err := s.x.round(); err != nil {
			s.x.say("BROKEN: %v", err)
			return s.said()
		}
	}
	s.x.say("not settled after %d rounds", most)
	for _, h := range s.x.hosts {
		if h.down {
			continue
		}
		out := h.m.Decide(s.x.around(h))
		for _, y := range []Why{out.Why, out.Nobody} {
			if y.Reason != Nothing {
				s.x.say("%d: %v: %v", h.id, y.Reason, y.Members)
			}
		}
	}
	return s.said()
}

func (s *story) status() string {
	var b strings.Builder
	for _, h := range s.x.hosts {
		fmt.Fprintf(&b, "%d:", h.id)
		switch e := &h.s.Epoch; {
		case h.down:
			b.WriteString(" down")
		case h.witness:
			b.WriteString(" witness")
		case h.shared.Open:
			fmt.Fprintf(&b, " serves in epoch %d", e.Number)
		case !h.recovery:
			b.WriteString(" takes writes, and does not serve")
		case h.streaming:
			fmt.Fprintf(&b, " follows %d in epoch %d", s.x.primaryOf(h), h.follows.Epoch)
		default:
			b.WriteString(" standby")
		}
		if n := len(h.wal); n > 0 {
			fmt.Fprintf(&b, ", timeline %d to %d, sealed %d", h.wal[n-1].timeline, n, h.sealed)
		}
		if x := h.s.Member(h.id); x != nil && x.Quarantined != NotQuarantined {
			fmt.Fprintf(&b, ", quarantined: %v", x.Quarantined)
		}
		if s.x.leader == h {
			b.WriteString(", leads")
		}
		b.WriteString("\n")
	}
	return b.String()
}
