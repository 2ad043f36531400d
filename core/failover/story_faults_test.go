package failover

import (
	"fmt"
	"slices"
)

// What the scripts' operators do, and what goes wrong.

// fault is what goes wrong, or right again.
func (s *story) fault() {
	h := s.host()
	switch s.d.Cmd {
	case "kill": // the server's processes end: connections are reset, the port refuses
		s.x.crash(h)
		h.killed = true
	case "gone": // the machine is gone: nothing answers
		s.x.crash(h)
	case "stop": // it says that it stops, and then it ends
		h.stopping = true
		s.x.report(h)
		for _, o := range s.x.hosts {
			s.x.tell(h, o)
		}
		s.x.crash(h)
		h.killed = true
	case "start":
		h.down, h.killed, h.born, h.current = false, false, len(s.x.log), false
	case "crash": // of a backend: the server boots as a standby, its postmaster lives on
		s.x.crash(h)
		h.down = false
	case "elect": // it becomes the Raft leader
		s.x.elect(h)
	case "engine": // the engine alone ends, and starts
		s.x.start(h)
	case "boots-lost": // its boots count from 1 again, as the file is lost that counted them
		h.boot = 0
		s.x.start(h)
	case "cut": // from all others, or from one
		if o := uint64(s.number("peer", 0)); o > 0 {
			s.x.apart[[2]uint64{h.id, o}], s.x.apart[[2]uint64{o, h.id}] = true, true
			break
		}
		h.cut = true
	case "heal":
		h.cut = false
		clear(s.x.apart)
	case "lag": // it receives nothing, or again
		h.lags = !h.lags
	case "stall": // it carries no orders out, or again
		h.stalls = !h.stalls
	case "slow": // it has replayed nothing yet, and is slow at it
		h.slow, h.replayed = true, 0
	case "by-hand": // somebody promotes it, lets it write, and makes it a standby again
		t := h.last()
		for f := range h.files { // PostgreSQL takes one more than the newest history file
			t = max(t, f)
		}
		t++
		h.files[t] = append(slices.Clone(h.history()), Branch{t, uint64(len(h.wal))})
		h.wal = append(h.wal, record{t, 0})
		for range s.number("n", 1) {
			h.wal = append(h.wal, record{t, 999})
		}
		h.flushed, h.replayed = len(h.wal), len(h.wal)
		if s.d.HasArg("noted") { // and notes that number, too
			h.notes[t] = h.s.Epoch.Number - 1
		}
		if s.d.HasArg("runs") { // it stays a primary
			h.recovery, h.streaming, h.follows = false, false, Token{}
		}
	case "proposals": // they are lost, wait, come, or come once more
		s.proposals(h)
	case "loses-transfer":
		h.loses = true
	case "drops": // the primary recycles all WAL that is replicated to those who stream
		h.kept = len(h.wal)
	case "old": // an older copy of its data is put back
		s.x.crash(h)
		h.wal, h.old, h.back = h.wal[:s.number("to", 1)], true, true
		h.flushed = len(h.wal)
	case "unguarded": // somebody starts it as a primary without the library
		s.x.crash(h)
		h.wal = append(h.wal, record{h.wal[len(h.wal)-1].timeline, 999})
		h.flushed, h.damage, h.down = len(h.wal), QuarantinedUnguarded, false
	case "begin": // a commit passes F1, and is not written yet
		h.begun = append(h.begun, max(h.shared.Epoch, h.leftAt))
	case "write-begun":
		s.x.writesBegun(h)
	case "misforks": // it will promote without its last record
		h.misforks = true
	case "dies-at": // it will die: as it promotes, before the timeline begins or behind that, or as it is released
		h.dies = s.number("cut", 1)
	case "names": // somebody empties synchronous_standby_names
		h.names = Names{}
	case "priority":
		h.prio = uint32(s.number("p", 0))
	default:
		s.lost(h)
	}
}

// proposals is what becomes of what a node has proposed.
func (s *story) proposals(h *host) {
	x := s.x
	switch {
	case s.d.HasArg("wait"):
		h.holds = true
	case s.d.HasArg("come"):
		h.holds = false
	case s.d.HasArg("lost"):
		x.bag = slices.DeleteFunc(x.bag, func(e asked) bool { return e.from == h })
	case s.d.HasArg("last-first"):
		slices.Reverse(x.bag)
	case s.d.HasArg("twice"):
		x.bag = append(x.bag, x.bag...)
	}
}

// set is the set in force as a primary knows it, and what it makes of it.
func (s *story) set() {
	h := s.host()
	e := &h.s.Epoch
	s.x.say("in force in epoch %d: %s, version %d", e.Number, SetText(e.Set), e.SetVersion)
	if n := h.shared.Next; n != nil {
		s.x.say("to follow: %s, proposed %v", SetText(*n), h.m.change.proposed)
	}
	s.x.say("PostgreSQL waits for %s", NamesText(h.names))
}

// history is that of the cluster, as the first node has it.
func (s *story) history() {
	for _, h := range s.x.hosts {
		if h.down {
			continue
		}
		for _, p := range h.s.Past {
			line := fmt.Sprintf("epoch %d of %d from %d/%d, given up to %d", p.Epoch, p.Primary, p.From.Epoch, p.From.LSN, p.GivenUp)
			if p.GivenUp > 0 && p.Kept != p.From.LSN {
				line += fmt.Sprintf(", kept to %d", p.Kept)
			}
			s.x.say("%s", line)
		}
		return
	}
}

func (s *story) operator() {
	x, h := s.x, s.x.hosts[0]
	settings, mode := h.s.Settings, h.s.Mode
	switch {
	case s.d.HasArg("manual"):
		x.bag = append(x.bag, asked{Adjust{ModeManual, settings}, nil})
	case s.d.HasArg("quarantine"):
		x.bag = append(x.bag, asked{Quarantine{Member: uint64(s.number("quarantine", 0)), Reason: QuarantinedByOperator}, nil})
	case s.d.HasArg("clear"):
		x.bag = append(x.bag, asked{Clear{uint64(s.number("clear", 0))}, nil})
	case s.word(h):
	default:
		settings.SyncCount = uint32(s.number("w", int(settings.SyncCount)))
		if s.d.HasArg("preferred") {
			settings.Durability = Preferred
		}
		if s.d.HasArg("required") {
			settings.Durability = Required
		}
		if s.d.HasArg("async") {
			settings.Durability = Async
		}
		x.bag = append(x.bag, asked{Adjust{mode, settings}, nil})
	}
}

// orders kills all of three servers, of which the last one lacks a commit, and starts
// them in every order.
func (s *story) orders() {
	for _, order := range [][]uint64{{1, 2, 3}, {1, 3, 2}, {2, 1, 3}, {2, 3, 1}, {3, 1, 2}, {3, 2, 1}} {
		s.cluster()
		x := s.x
		p := x.hosts[0]
		write := func() {
			x.commit(p)
			p.flushed = len(p.wal)
			s.must(x.round())
			s.must(x.ack(p))
		}
		write()
		x.hosts[2].lags = true
		write()
		x.hosts[2].lags = false
		for _, h := range x.hosts {
			x.crash(h)
		}
		for _, id := range order {
			x.host(id).down = false
			for range 6 {
				s.must(x.round())
			}
		}
		for n := 0; !x.settled(); n++ {
			if s.must(x.round()); n == 60 {
				s.d.Fatalf(s.t, "%v: it does not settle", order)
			}
		}
		var serves []string
		for _, o := range x.opens {
			serves = append(serves, fmt.Sprintf("%d in epoch %d", o.who, o.epoch))
		}
		x.trace = nil
		s.lines = append(s.lines, fmt.Sprintf("started in the order %v: %d of 2 commits were acknowledged, served have %v", order, len(x.acked), serves))
	}
	s.x.trace = s.lines
}

func (s *story) must(err error) {
	if err != nil {
		s.d.Fatalf(s.t, "%v", err)
	}
}
