package failover

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
)

// A world of machines for the explorer: Raft's log is taken as given, a list that
// everyone applies at a pace of its own; servers are lists of records. There are no
// clocks: ticks come to each member as the seed likes it, and nothing of promise 1 may
// rest on them. Streaming is as careless as PostgreSQL's: who follows asks for what
// comes after its own length, and whoever is asked sends that.

// record is a WAL record: which timeline it is on, and which one it is. 0 is the one
// that begins a timeline.
type record struct {
	timeline uint32
	id       uint64
}

// host is a node with its server.
type host struct {
	id      uint64
	m       *Machine
	s       State
	applied int // of the log
	now     uint64
	boot    uint64
	down    bool
	witness bool     // it has no server
	redo    uint64   // where its last checkpoint began
	ended   bool     // whom it follows has stopped, and sent all
	leftAt  uint64   // the epoch with which it was told that failover is off; 0: it takes part
	joined  uint32   // the timeline on which it joined again
	wrote   []uint32 // timelines that it was the primary of
	prio    uint32
	born    int    // length of the log when its engine started
	current bool   // it has applied as much since
	killed  bool   // its port refuses
	lags    bool   // it receives nothing
	stalls  bool   // it carries no orders out
	old     bool   // its data went back
	back    bool   // it did so once
	crashed bool   // and was started since, as a standby
	well    uint64 // round in which it last was what the newest epoch wants of it
	slow    bool   // it replays a record every third round, and is promoted when all are
	cut     bool   // from Raft, not from those who stream
	// Of scripts alone:
	stopping bool
	damage   Quarantined
	misforks bool // it will promote without its last record
	dies     int  // it will die: 1 as it promotes, before the timeline begins, 2 behind that, 3 as it is released
	loses    bool // its next hand-over of leadership
	holds    bool // its proposals are on their way
	kept     int  // the records before this one are recycled
	lacks    bool // whom it follows has no more of what it needs
	oneNote  bool // of the two that it takes part, the other is lost
	mute     bool // its host reports nothing
	why      [2]Why
	gave     uint64            // round in which it handed leadership to the primary, which it has not followed since
	heard    map[uint64]uint64 // tick at which another was heard

	wal       []record
	flushed   int
	notes     map[uint32]uint64   // timeline -> epoch
	files     map[uint32][]Branch // history files
	sealed    uint64
	recovery  bool
	streaming bool
	quiet     bool // with a bug: it streams and says that it does not
	follows   Token
	link      int // life of the primary's server that it is connected to
	life      int // of this server
	names     Names
	senders   []Sender
	fork      uint64
	replayed  int

	begun  []uint64 // the epochs in which commits passed F1 that are not written yet
	orders []Order  // those of the last decisions, some of them late
	shared Shared
	open   uint64 // epoch that was seen open here last
}

// asked is a proposal on its way: it may be lost, doubled, or come late.
type asked struct {
	entry Entry
	from  *host
}

type world struct {
	r      *rand.Rand // nil in a script: nothing happens by chance
	bug    string
	hosts  []*host
	log    []Entry // nil: of Raft's own
	term   uint64
	leader *host
	// led is up to where the leader has to apply before it leads.
	led   int
	bag   []asked
	late  []said
	ids   uint64
	acked map[record]uint64 // -> epoch it was acknowledged in
	at    map[record]int    // where it was acknowledged
	// passed is the epoch in which a commit passed F1.
	passed map[record]uint64
	opens  []opening
	trace  []string
	acks   int
	shown  int // entry that was shown last
	// needless is what was said of an epoch that began though its primary was well.
	needless string
	begins   int
	elected  uint64 // round of the last election
	given    []givenUp
	rounds   uint64 // 0: members go at paces of their own
	voters   []uint64
	proof    proof
	lossy    bool               // durability is async, or may be
	stale    []Entry            // copies of proposals that are still on their way
	lost     int                // commits that a failover gave up
	apart    map[[2]uint64]bool // pairs that Raft's messages do not get through between
}

// opening is a primary's WAL as it was when it was first seen open.
type opening struct {
	epoch uint64
	who   uint64
	wal   map[record]bool
}

// pick draws a number below n, luck a chance of one in n.
func (x *world) pick(n int) int {
	if x.r == nil {
		return 0
	}
	return x.r.IntN(n)
}

func (x *world) luck(n int) bool { return x.r != nil && x.r.IntN(n) == 0 }

func (x *world) say(f string, args ...any) { x.trace = append(x.trace, fmt.Sprintf(f, args...)) }

const (
	exploreDelay = 4 // ticks of 1 ms
	exploreLag   = 8 // records
)

func newWorld(seed uint64, n int, bug string) *world {
	x := &world{r: rand.New(rand.NewPCG(seed, 7)), bug: bug, acked: map[record]uint64{}, at: map[record]int{}, passed: map[record]uint64{}, term: 1, proof: proof{at: map[record]int{}}}
	var set Set
	for i := range n {
		id := uint64(i+1)<<32 | uint64(i+1)
		x.voters = append(x.voters, id)
		h := &host{id: id, prio: 100, notes: map[uint32]uint64{1: 1}, files: map[uint32][]Branch{}, heard: map[uint64]uint64{}, wal: []record{{1, 0}}, flushed: 1, recovery: i > 0}
		x.hosts = append(x.hosts, h)
		x.start(h)
		x.log = append(x.log, Describe{Member: id, Boot: 1, Address: fmt.Sprint(i), Data: true, Joined: true, Priority: 100})
		if i > 0 {
			set.Members = append(set.Members, id)
		} else {
			h.wrote = []uint32{1}
		}
	}
	if bug == "" && x.r.IntN(2) == 0 {
		id := uint64(n+1)<<32 | uint64(n+1)
		x.voters = append(x.voters, id)
		x.hosts = append(x.hosts, &host{id: id, witness: true, recovery: true, notes: map[uint32]uint64{}, files: map[uint32][]Branch{}, heard: map[uint64]uint64{}})
		x.start(x.hosts[n])
	}
	set.W = 1
	if bug == "" { // bugs are found sooner with a set of which one must have flushed
		set.W = []uint32{1, 1, 1, 2, 0}[x.r.IntN(5)]
	}
	settings := Settings{SyncCount: set.W, DelayMillis: exploreDelay, SyncTimeoutMillis: 2, Durability: Durability(x.r.IntN(2)), MaximumLag: exploreLag}
	if bug == "" && x.r.IntN(4) == 0 {
		settings.Durability, x.lossy = Async, true
	}
	x.log = append(x.log, Enable{Epoch: 1, Primary: x.hosts[0].id, Boot: 1, System: 1, LSN: 1, History: []Branch{{1, 0}},
		Highest: 1, Set: set, Settings: settings})
	x.elect(x.hosts[0])
	return x
}

// start starts an engine: what its machine knew is gone.
func (x *world) start(h *host) {
	h.boot++
	clear(h.heard)
	h.m = New(Config{Self: h.id, TickMillis: 1, ElectionTicks: 3, SealMillis: 3}, h.boot, h.now)
	h.orders, h.shared = nil, Shared{Failover: h.leftAt == 0, Joined: h.leftAt == 0}
	h.born, h.current = len(x.log), false
	h.applied -= x.pick(min(h.applied+1, 20))
	h.s = State{}
	for i, e := range x.log[:h.applied] {
		if e != nil {
			h.s.Apply(e, Place{Index: uint64(i + 1), Members: x.members(), Voters: x.voters})
		}
	}
	if x.leader == h {
		x.leader = nil
	}
}

// crash ends a server with its engine, and it boots as a standby.
func (x *world) crash(h *host) {
	x.say("%d crashes at %d, flushed %d", uint32(h.id), len(h.wal), h.flushed)
	h.wal = h.wal[:h.flushed]
	h.recovery, h.streaming, h.quiet, h.follows, h.names, h.senders, h.fork = h.recovery || h.leftAt == 0, false, false, Token{}, Names{}, nil, 0
	h.replayed, h.down, h.crashed, h.stopping, h.lacks, h.ended, h.redo, h.begun = 0, true, true, false, false, false, 0, nil
	h.life++
	h.drop()
	if x.bug == "seal forgotten" {
		h.sealed = 0
	}
	x.start(h)
}

func (x *world) elect(h *host) {
	x.term++
	x.log = append(x.log, nil)
	x.leader, x.led, x.elected = h, len(x.log), x.rounds
	x.say("%d leads", uint32(h.id))
}

// history is what the history file of the last record's timeline says, as nothing else
// does: that its records begin where that says is for the machines to see to.
func (h *host) history() []Branch {
	if len(h.wal) == 0 {
		return nil
	}
	if t := h.last(); t > 1 {
		return h.files[t]
	}
	return []Branch{{1, 0}}
}

// last is the timeline of the last record, 0 if there is none.
func (h *host) last() uint32 {
	if len(h.wal) == 0 {
		return 0
	}
	return h.wal[len(h.wal)-1].timeline
}

// drop takes away the notes and history files of timelines of which there is no record.
func (h *host) drop() {
	above := h.last() + 1
	maps.DeleteFunc(h.notes, func(t uint32, _ uint64) bool { return t >= above })
	maps.DeleteFunc(h.files, func(t uint32, _ []Branch) bool { return t >= above })
}

// sum stands for a record's CRC.
func (h *host) sum(lsn uint64) (uint32, bool) {
	if lsn == 0 || lsn > uint64(len(h.wal)) {
		return 0, false
	}
	r := h.wal[lsn-1]
	return r.timeline<<20 ^ uint32(r.id), true
}

// sumOf stands for a CRC over all records up to one.
func (h *host) sumOf(lsn uint64) (sum uint32) {
	for n := range lsn {
		one, _ := h.sum(n + 1)
		sum = sum*31 + one
	}
	return sum
}

func (x *world) report(h *host) {
	if h.witness {
		return
	}
	v := Server{Recovery: h.recovery, Joined: h.leftAt == 0 && !h.oneNote, OneNote: h.oneNote, JoinedOn: h.joined, Untrusted: h.old, Address: fmt.Sprint(uint32(h.id)), Priority: h.prio, Sealed: h.sealed,
		History: h.history(), End: uint64(len(h.wal)), Replayed: uint64(h.replayed), ReplayDone: h.replayed == len(h.wal),
		Streaming: h.streaming && !h.quiet, Follows: h.follows, Flushed: uint64(h.flushed), Fork: h.fork, Names: h.names, Senders: h.senders, Decision: h.shared.Decision, Boots: h.shared.Boots}
	v.Quiet, v.Checkpoint, v.Ended = x.quietAt(h), h.redo, h.ended
	if s := h.shared; s.Founding && s.Primary && !h.recovery && len(h.begun) == 0 && h.flushed == len(h.wal) {
		v.Founded = s.Epoch
	}
	if h.quiet {
		v.Follows = Token{}
	}
	if len(h.wal) > 0 {
		v.Noted = h.notes[h.wal[len(h.wal)-1].timeline]
	}
	v.Record.LSN = v.End
	v.Record.CRC, _ = h.sum(v.End)
	if v.Wrote = h.recovery && slices.Contains(h.wrote, h.last()); h.shared.Prove {
		v.Record.From, v.Record.Sum = 1, h.sumOf(v.End)
	}
	v.Stopping, v.Damage, v.Lacks = h.stopping, h.damage, h.lacks
	h.m.Report(v, h.now)
}

func (x *world) decide(h *host) {
	out := h.m.Decide(x.around(h))
	h.shared, h.why = out.Shared, [2]Why{out.Why, out.Nobody}
	h.orders = append(h.orders, out.Orders...)
	if n := len(h.orders) - 12; n > 0 {
		h.orders = slices.Delete(h.orders, 0, n)
	}
	if out.Append != nil && h.cut {
		h.m.Refused()
	} else if out.Append != nil {
		if x.leader != h {
			panic("appends, and does not lead")
		}
		x.log = append(x.log, out.Append)
		if b, ok := out.Append.(Begin); ok {
			x.begun(h, b)
		}
	}
	for _, e := range out.Propose {
		x.bag = append(x.bag, asked{e, h})
	}
	if p := h.s.Epoch.Primary; x.leader != nil && x.leader.id == p {
		h.gave = 0
	} else if out.Transfer == p && p != 0 && h.gave == 0 {
		h.gave = x.rounds
	}
	if out.Transfer != 0 && !x.luck(4) {
		if to := x.host(out.Transfer); h.loses {
			h.loses = false
			x.say("%d hands leadership to %d, and that is lost", uint32(h.id), uint32(to.id))
		} else if x.hears(h, to) {
			x.elect(to)
		}
	}
}

func (x *world) members() (ids []uint64) {
	for _, h := range x.hosts {
		ids = append(ids, h.id)
	}
	return ids
}

func (x *world) host(id uint64) *host {
	for _, h := range x.hosts {
		if h.id == id {
			return h
		}
	}
	panic(fmt.Sprintf("no host %x", id))
}

func (x *world) apply(h *host) {
	e := x.log[h.applied]
	h.applied++
	if e == nil {
		return
	}
	e, err := Unmarshal(Marshal(e))
	if err != nil {
		panic(err)
	}
	got := h.s.Apply(e, Place{Index: uint64(h.applied), Members: x.members(), Voters: x.voters})
	if h.applied > x.shown {
		x.shown = h.applied
		x.gives(e, got, &h.s)
		x.say("%s", text(e, got, &h.s))
	}
}
