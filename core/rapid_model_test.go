package core

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/pgraft/pgraft/core/corepb"
)

// commandEntry is a committed entry with a request id.
func commandEntry(index, since uint64, id byte) *pb.Entry {
	return &pb.Entry{Index: new(index), Term: new(uint64(1)), Type: pb.EntryNormal.Enum(),
		Data: marshal(&corepb.Command{RequestId: []byte(fmt.Sprintf("request %8d", id)), Since: since, Data: []byte{id}})}
}

// TestRapidRequests: the table of request ids against the plainest model there
// is, a list of what was applied where. The log jumps forward so that ids leave
// the window, and the machine goes through a snapshot now and then.
func TestRapidRequests(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &machine{index: 1, term: 1, conf: &pb.ConfState{}, requestIDs: requestIDs{window: requestWindow}}
		applied := map[byte]uint64{} // id -> index, forgotten or not
		t.Repeat(map[string]func(*rapid.T){
			"command": func(t *rapid.T) {
				id := rapid.Byte().Draw(t, "id") % 8
				back := min(m.index, rapid.SampledFrom([]uint64{0, 1, 100, requestWindow - 1, requestWindow, requestWindow + 1}).Draw(t, "since, back"))
				at := m.index + 1
				a := m.apply(commandEntry(at, m.index-back, id), nil)
				was, known := applied[id]
				known = known && was+requestWindow > at
				switch {
				case known && (a.first || a.expired || a.at.index != was):
					t.Fatalf("request %d at %d, applied at %d before: %+v", id, at, was, a)
				case !known && at > m.index-1-back+requestWindow && !a.expired:
					t.Fatalf("request %d at %d, since %d: %+v", id, at, m.index-1-back, a)
				case !known && !a.expired && !a.first:
					t.Fatalf("request %d at %d is new: %+v", id, at, a)
				}
				if a.first {
					applied[id] = at
				}
			},
			"others": func(t *rapid.T) { // entries of nobody that we ask about
				m.index += rapid.SampledFrom([]uint64{1, 100, requestWindow / 2, requestWindow}).Draw(t, "entries")
				m.requestIDs.forget(m.index)
			},
			"snapshot": func(*rapid.T) {
				restored := &machine{requestIDs: requestIDs{window: requestWindow}}
				s := m.snapshot()
				if err := restored.restore(s); err != nil {
					t.Fatal(err)
				}
				var st corepb.State
				if err := unmarshal(s.GetData(), &st); err != nil {
					t.Fatal(err)
				}
				if want := marshal(&st); !bytes.Equal(s.GetData(), want) {
					t.Fatalf("the state is written as %x, not %x", s.GetData(), want)
				}
				m = restored
			},
			"": func(t *rapid.T) {
				for _, r := range m.requestIDs.list() {
					if at, ok := m.requestIDs.find(r.id); r.at.index+requestWindow <= m.index || !ok || at != r.at {
						t.Fatalf("%v is remembered at %d", r, m.index)
					}
				}
			},
		})
	})
}

// TestRapidTail: the log in memory against a plain list of terms.
func TestRapidTail(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		snap := func(index, term uint64) *pb.Snapshot {
			return &pb.Snapshot{Metadata: &pb.SnapshotMetadata{ConfState: &pb.ConfState{}, Index: new(index), Term: new(term)}}
		}
		l, err := newTail(Durable{})
		if err != nil {
			t.Fatal(err)
		}
		terms := []uint64{0} // terms[i] of entry i; 0 is before the first
		base, newest := uint64(0), uint64(0)
		last := func() uint64 { return uint64(len(terms) - 1) }
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				from := rapid.Uint64Range(newest+1, last()+1).Draw(t, "from")
				term := terms[last()] + rapid.Uint64Range(0, 1).Draw(t, "newer")
				var es []*pb.Entry
				terms = terms[:from]
				for i := range rapid.Uint64Range(1, 4).Draw(t, "entries") {
					es = append(es, &pb.Entry{Index: new(from + i), Term: new(term), Data: make([]byte, rapid.IntRange(0, 50).Draw(t, "size"))})
					terms = append(terms, term)
				}
				l.append(es)
			},
			"mark": func(t *rapid.T) {
				if newest == last() {
					t.Skip("nothing to mark")
				}
				newest = rapid.Uint64Range(newest+1, last()).Draw(t, "index")
				l.mark(snap(newest, terms[newest]), maxMarkBytes)
			},
			"compact": func(t *rapid.T) {
				durable, bound := rapid.Uint64Range(0, newest).Draw(t, "durable"), rapid.Uint64Range(0, 2000).Draw(t, "bound")
				l.compact(durable, bound)
				b := l.base().Index
				if b < base || b > max(base, durable) {
					t.Fatalf("base went from %d to %d, durable is %d", base, b, durable)
				}
				if len(l.marks) > 1 && l.marks[1].GetMetadata().GetIndex() <= durable && l.bytesBetween(b, newest) > bound {
					t.Fatalf("%d bytes before %d are kept, %d are allowed", l.bytesBetween(b, newest), newest, bound)
				}
				base = b
			},
			"replace": func(t *rapid.T) {
				i, term := last()+rapid.Uint64Range(1, 5).Draw(t, "ahead"), terms[last()]+1
				l.replace(snap(i, term))
				for uint64(len(terms)) <= i {
					terms = append(terms, term)
				}
				base, newest = i, i
			},
			"": func(t *rapid.T) {
				first, _ := l.FirstIndex()
				end, _ := l.LastIndex()
				if first != base+1 || end != last() || l.newest() != newest {
					t.Fatalf("log is %d..%d with its newest mark at %d, should be %d..%d and %d", first, end, l.newest(), base+1, last(), newest)
				}
				for i := uint64(0); i <= last()+1; i++ {
					checkTerm(t, l, i, base, terms)
				}
				checkEntriesOf(t, l, base, terms)
			},
		})
	})
}

func checkTerm(t *rapid.T, l *tail, i, base uint64, terms []uint64) {
	term, err := l.Term(i)
	switch {
	case i < base && err != raft.ErrCompacted, i >= uint64(len(terms)) && err != raft.ErrUnavailable:
		t.Fatalf("term of %d: %v", i, err)
	case i >= base && i < uint64(len(terms)) && (err != nil || term != terms[i]):
		t.Fatalf("term of %d is %d (%v), should be %d", i, term, err, terms[i])
	}
}

func checkEntriesOf(t *rapid.T, l *tail, base uint64, terms []uint64) {
	last := uint64(len(terms) - 1)
	if base > 0 {
		if _, err := l.Entries(base, last+1, 1); err != raft.ErrCompacted {
			t.Fatalf("entries from %d, before %d: %v", base, base+1, err)
		}
	}
	if base == last {
		return
	}
	lo := rapid.Uint64Range(base+1, last).Draw(t, "lo")
	hi := rapid.Uint64Range(lo+1, last+1).Draw(t, "hi")
	limit := rapid.Uint64Range(0, 300).Draw(t, "limit")
	es, err := l.Entries(lo, hi, limit)
	if err != nil || len(es) == 0 || len(es) > int(hi-lo) {
		t.Fatalf("entries %d to %d: %d of them, %v", lo, hi, len(es), err)
	}
	size := uint64(0)
	for i, e := range es {
		if size += uint64(proto.Size(e)); e.GetIndex() != lo+uint64(i) || e.GetTerm() != terms[e.GetIndex()] || i > 0 && size > limit {
			t.Fatalf("entry %d of %d: %v, %d bytes of %d", i, lo, e, size, limit)
		}
	}
	if len(es) < int(hi-lo) && size+uint64(proto.Size(l.entries[lo+uint64(len(es))-base-1])) <= limit {
		t.Fatalf("entries %d to %d: only %d in %d of %d bytes", lo, hi, len(es), size, limit)
	}
	if got := append(slices.Clone(es), es...); len(got) == 0 || cap(es) != len(es) {
		t.Fatalf("entries have room for %d, could be appended to in place", cap(es))
	}
}

// TestRapidLease: the lease against its definition. It may run as long as some
// quorum, this leader in it, has promised; a promise counts from its round, is
// shortened by the margins, and the longest of each voter counts.
func TestRapidLease(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := leaseCore(t)
		model := map[uint64][]grant{} // every promise ever made
		opened := map[uint64]uint64{}
		t.Repeat(map[string]func(*rapid.T){
			"tick":  func(*rapid.T) { c.now++ },
			"round": func(*rapid.T) { opened[c.openRound().GetRound()] = c.now },
			"promise": func(t *rapid.T) {
				if c.lease.round == 0 {
					t.Skip("no round yet")
				}
				from := rapid.Uint64Range(2, 6).Draw(t, "from")
				round := rapid.Uint64Range(1, c.lease.round+1).Draw(t, "round")
				millis := rapid.Uint64Range(0, 5000).Draw(t, "millis")
				c.promised(from, &corepb.LeasePromise{Round: round, Millis: millis})
				if at, ok := opened[round]; ok && round+maxOpenRounds > c.lease.round {
					if ticks := millis * 9 / 10 / c.cfg.TickMillis; ticks > 0 {
						model[from] = append(model[from], grant{at, ticks - 1})
					}
				}
			},
			"": func(t *rapid.T) {
				c.renewLease()
				got := uint64(0)
				if c.lease.ticks > 0 {
					got = c.lease.from + c.lease.ticks
					if c.lease.from > c.now || got <= c.now {
						t.Fatalf("at %d the lease is from %d for %d", c.now, c.lease.from, c.lease.ticks)
					}
				}
				if want := leaseModel(c, model); got != want {
					t.Fatalf("at %d the lease ends at %d, should at %d: %v of %v", c.now, got, want, model, c.conf)
				}
			},
		})
	})
}

// leaseCore is a leader, with no more of a core than a lease needs.
func leaseCore(t *rapid.T) *Core {
	conf := &pb.ConfState{Voters: rapid.SampledFrom([][]uint64{{1}, {1, 2}, {1, 2, 3}, {1, 2, 3, 4, 5}}).Draw(t, "voters")}
	if rapid.Bool().Draw(t, "joint") {
		conf.VotersOutgoing = rapid.SampledFrom([][]uint64{{1}, {1, 6}, {1, 4, 6}, {3, 4, 5}}).Draw(t, "outgoing")
	}
	c := &Core{self: 1, role: raft.StateLeader, machine: machine{conf: conf},
		cfg: Config{TickMillis: 100, ElectionTicks: 10, HeartbeatTicks: 1}}
	log, err := newTail(Durable{})
	if err != nil {
		t.Fatal(err)
	}
	cfg := c.cfg
	cfg.Identity.RaftID = 1
	if c.rn.raw, err = raft.NewRawNode(cfg.raft(log)); err != nil {
		t.Fatal(err)
	}
	c.hard.Term, c.lease = 1, lease{answers: []roundAnswers{}}
	return c
}

// leaseModel tries every set of voters: the lease ends when the best quorum's
// first promise ends. It is 0 if that is over.
func leaseModel(c *Core, model map[uint64][]grant) uint64 {
	end := func(id uint64) uint64 {
		if id == c.self {
			return c.now + uint64(c.cfg.ElectionTicks)
		}
		e := uint64(0)
		for _, g := range model[id] {
			e = max(e, g.end())
		}
		return e
	}
	until := c.now + uint64(c.cfg.ElectionTicks)
	c.voters(func(ids []uint64) {
		best := uint64(0)
		for set := range 1 << len(ids) {
			n, first := 0, ^uint64(0)
			for i, id := range ids {
				if set>>i&1 == 1 {
					n, first = n+1, min(first, end(id))
				}
			}
			if n > len(ids)/2 {
				best = max(best, first)
			}
		}
		until = min(until, best)
	})
	if until <= c.now {
		return 0
	}
	return until
}
