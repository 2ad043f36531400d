package failover

import (
	"fmt"
	"os"
	"path/filepath"
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

// Each reason for which nobody serves is said in some story.
func TestEveryReasonIsTold(t *testing.T) {
	paths, err := filepath.Glob("../../testdata/failover/stories/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	var told strings.Builder
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		told.Write(text)
	}
	for w := NotInformed; w < whyNots; w++ {
		if !strings.Contains(told.String(), ": "+w.String()+": [") {
			t.Errorf("no story says: %v", w)
		}
	}
}

type story struct {
	t     *testing.T
	d     *datadriven.TestData
	x     *world
	lines []string // of orders
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
	case "why":
		s.why(false)
	case "set":
		s.set()
	case "history":
		s.history()
	case "orders":
		s.orders()
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

// cluster begins with node 1 as primary, and everybody following.
func (s *story) cluster() {
	x := &world{acked: map[record]uint64{}, at: map[record]int{}, passed: map[record]uint64{}, proof: proof{at: map[record]int{}}, apart: map[[2]uint64]bool{}, term: 1}
	s.x = x
	set := Set{W: uint32(s.number("w", 1))}
	data, learners := s.number("data", 3), s.number("learners", 0)
	for i := range data + s.number("witness", 0) {
		id := uint64(i + 1)
		h := &host{id: id, prio: 100, recovery: i > 0, joined: 1, notes: map[uint32]uint64{}, files: map[uint32][]Branch{}, heard: map[uint64]uint64{}}
		if i == 0 {
			h.wrote = []uint32{1}
		}
		if h.witness = i >= data; !h.witness {
			h.wal, h.flushed = []record{{1, 0}}, 1
			x.log = append(x.log, Describe{Member: id, Boot: 1, Address: fmt.Sprint(id), Data: true, Joined: true, Priority: 100})
			if i > 0 && i < data-learners {
				set.Members = append(set.Members, id)
			}
		}
		if x.hosts = append(x.hosts, h); h.witness || i < data-learners {
			x.voters = append(x.voters, id)
		}
		x.start(h)
	}
	settings := Settings{SyncCount: set.W, DelayMillis: exploreDelay, SyncTimeoutMillis: uint64(s.number("sync", 2)), MaximumLag: exploreLag}
	if s.d.HasArg("preferred") {
		settings.Durability = Preferred
	}
	if s.d.HasArg("async") {
		settings.Durability, x.lossy, set = Async, true, Set{}
	}
	x.log = append(x.log, Enable{Epoch: 1, Primary: 1, Boot: 1, System: 1, LSN: 1, History: []Branch{{1, 0}}, Highest: 1, Set: set, Settings: settings})
	x.elect(x.hosts[0])
	if s.d.HasArg("founding") {
		return // no epoch has opened yet
	}
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
	s.why(true)
	return s.said()
}

// why is what the machines said last that they wait for; now, what they say if they
// are asked once more.
func (s *story) why(now bool) {
	for _, h := range s.x.hosts {
		if h.down {
			continue
		}
		if now {
			s.x.decide(h)
		}
		for _, y := range h.why {
			if y.Reason != Nothing {
				s.x.say("%d: %v: %v", h.id, y.Reason, y.Members)
			}
		}
	}
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
			b.WriteString(" takes writes" + map[bool]string{true: ", and does not serve"}[h.shared.Failover])
		case h.streaming:
			fmt.Fprintf(&b, " follows %d in epoch %d", s.x.primaryOf(h), h.follows.Epoch)
		default:
			b.WriteString(" standby")
		}
		if n := len(h.wal); n > 0 {
			fmt.Fprintf(&b, ", timeline %d to %d, sealed %d", h.wal[n-1].timeline, n, h.sealed)
		}
		if !h.down && !h.witness && !(h.shared.Reads && (h.recovery || h.shared.Open || !h.shared.Failover)) {
			b.WriteString(", refuses reads")
		}
		if h.leftAt > 0 {
			b.WriteString(", takes no part")
		}
		if h.oneNote {
			b.WriteString(", has lost a note")
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
