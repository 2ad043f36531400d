package sim

import (
	"reflect"
	"slices"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/sim/postgres"
)

// server is a node's PostgreSQL server, and what of pgraft runs in it beside the engine:
// the fence in each commit (server_fence.go), and what carries orders out
// (server_orders.go). The node is its engine: that may end and begin while the server
// runs, and ends with it.
type server struct {
	n     *node
	in    *servers
	draws Stream
	pg    *postgres.Server // nil: a witness
	data  dataNotes
	store storeNotes

	// Shared memory; what the engine before left of it counts no more.
	shared failover.Shared
	begun  map[*postgres.Session]uint64 // the epoch in which a commit passed F1

	// Of this life of the engine.
	boot    uint64
	said    failover.Server
	hasSaid bool
	doing   []string // orders under way
	watches failover.Watch
	port    failover.Port
	why     failover.Why
	nobody  failover.Why
	late    int // faults in force that make it obey late

	// Of this start of the server.
	names     failover.Names // that were ordered last
	namesSet  postgres.Names // as PostgreSQL has them
	follows   failover.Token // that primary_conninfo stands for
	lacks     bool           // whom it follows has no more of the WAL that it needs
	fork      uint64         // the end of the record that began its timeline
	promoting uint64         // the epoch that it is being promoted in; 0: none

	booted    bool // the library has been loaded
	remade    bool // the operator has made its data anew, as it is quarantined
	byHand    bool // somebody promotes it by hand, and writes
	edited    bool // a note that it takes part was lost, and is not restored yet
	off       bool // the machine has no power
	rejoining bool // no server, and no engine, until its data is made anew
	helping   bool // the engine runs meanwhile
	clones    bool // its data is not to be rewound
	rewound   bool // and it has not been consistent since
	cutShort  bool // the marker of a rejoin that was
	fatals    int  // starts in a row that came to nothing
	frozen    bool
	// For the checkers: until when it had the lease; that others took it for dead, as a
	// firewall rejected them.
	leasedUntil time.Duration
	refused     bool
}

// dataNotes are pgraft's own files in the data directory.
type dataNotes struct {
	joined   bool
	joinedOn uint32
	sealed   uint64
	notes    []failover.Note
	cut      postgres.LSN // what is past this is nothing: to be cut off at the next boot
	rejoined uint64       // the epoch in which the data was made anew last
}

// storeNotes are in the Raft store, durable before anything goes by them.
type storeNotes struct {
	joined bool
	boot   uint64
}

func (d *dataNotes) note(l []failover.Note) {
	for _, n := range l {
		i := slices.IndexFunc(d.notes, func(o failover.Note) bool { return o.Timeline == n.Timeline })
		if i < 0 {
			d.notes = append(d.notes, n)
		} else {
			d.notes[i] = n
		}
	}
}

func (d *dataNotes) epochOf(t postgres.TLI) uint64 {
	for _, n := range d.notes {
		if n.Timeline == uint32(t) {
			return n.Epoch
		}
	}
	return 0
}

// install sets the server up: a copy of the first one's database, and its standby.
func (v *server) install() {
	v.pg = postgres.New(int(v.n.id), serverEnv{v}, v.in.config)
	v.hooks()
	v.shared.Reads = true
	v.begun = map[*postgres.Session]uint64{}
	v.makeSlots()
	if v.n.id != 1 {
		v.pg.CreateStandbySignal()
		v.streamsPlainly(1)
	}
}

// makeSlots makes a slot for each other member.
func (v *server) makeSlots() {
	for _, n := range v.n.w.nodes[:v.n.w.o.Nodes] {
		v.pg.MakeSlot(slotName(n.id))
	}
}

// streamsPlainly has the server stream as standbys do without failover.
func (v *server) streamsPlainly(primary uint32) {
	name := slotName(v.n.id)
	v.pg.SetConninfo(postgres.Conninfo{Primary: int(primary), Name: name, Slot: name})
}

// serves says that a server is an open primary's, as its shared memory has it.
func (v *server) serves() bool {
	return v.shared.Open && v.pg.Phase() == postgres.Production
}

// later calls f once some time has passed and the machine is not standing still.
func (v *server) later(d time.Duration, f func()) {
	w := v.n.w
	w.arrange(event{at: w.now + d, kind: evCall, ref: func() {
		if v.n.paused > 0 {
			v.later(20*time.Millisecond, f)
			return
		}
		f()
	}})
}

// living calls f later, if this life of the engine goes on by then.
func (v *server) living(d time.Duration, f func()) {
	life := v.n.life
	v.later(d, func() {
		if v.n.life == life && v.n.state == running {
			f()
		}
	})
}

// powers starts the server of a node whose process is to start; false: that comes later,
// once the server has booted.
func (v *server) powers() bool {
	if v == nil || v.pg == nil {
		return true
	}
	if v.rejoining {
		return v.helping
	}
	v.off = false
	if v.pg.Phase() == postgres.Down {
		v.n.w.say(v.n, "its server starts")
		v.pg.Start()
	}
	return v.booted && !v.pg.IsStopping()
}

// engineStarts raises the boot number; nothing was proposed with it.
func (v *server) engineStarts() {
	if v == nil {
		return
	}
	v.store.boot++
	v.boot = v.store.boot
	v.hasSaid, v.doing, v.watches, v.port = false, nil, failover.Watch{}, failover.Port{}
	v.why, v.nobody = failover.Why{}, failover.Why{}
	if v.pg != nil && !v.data.joined && !v.edited { // as its settings say
		v.data.joined, v.data.joinedOn = true, uint32(v.pg.LastTimeline())
		v.store.joined = true
	}
	v.shared = v.unknown()
}

// begins is the first turn of an engine's host.
func (v *server) begins() {
	if v == nil {
		return
	}
	v.living(0, v.turn)
	v.living(v.draws.Between(0, portPeriod), v.lookAtPort)
}

// unknown is what shared memory says while no engine has decided.
func (v *server) unknown() failover.Shared {
	on := v.data.joined || v.store.joined
	return failover.Shared{Failover: on, Joined: on, Reads: !on || v.shared.Reads && v.pg != nil && v.pg.InRecovery()}
}

func (v *server) engineEnds() {
	if v != nil {
		v.shared = v.unknown()
	}
}

// crashes is what the end of its node's process means to the server: a machine without
// power takes it along, and so may who kills a process.
func (v *server) crashes(s survival) {
	switch {
	case v == nil || v.pg == nil:
	case s != surviveAll:
		v.off = true
		v.pg.Kill(true)
	case v.draws.Below(2) == 0:
		v.pg.Kill(false)
	}
}

// ended is the server's processes having ended: the engine is one of them.
func (v *server) ended() {
	v.begun = map[*postgres.Session]uint64{}
	v.shared, v.frozen, v.booted = v.unknown(), false, false
	n, life := v.n, v.n.life
	n.w.soon(func() {
		alone := v.pg.Phase() == postgres.Down && v.pg.Fatal() != ""
		if alone {
			v.fatals++
			n.w.say(n, "its server ends: %s", v.pg.Fatal())
		}
		if alone && v.rewound && !v.rejoining { // the source lacked WAL that it needs
			v.cutShort = true
			v.leaves(nil, v.anySource)
			return
		}
		if n.life != life || n.state == down && (!alone || v.rejoining) {
			return
		}
		n.dies(surviveAll)
		if v.pg.Phase() == postgres.Down {
			n.w.restartLater(n, v.draws.Between(100*time.Millisecond, time.Second))
		}
	})
}

// holdsUntil notes until when this node has the lease, by the true time.
func (v *server) holdsUntil(at time.Duration) {
	if v != nil {
		v.leasedUntil = at
	}
}

// freezes and thaws are SIGSTOP and SIGCONT to all of the machine, or to the engine alone.
func (v *server) freezes() {
	if v != nil && v.pg != nil && !v.frozen && v.draws.Below(2) == 0 {
		v.stands()
	}
}

// stands stops the server, too.
func (v *server) stands() {
	if !v.frozen {
		v.frozen = true
		v.pg.Freeze()
	}
}

func (v *server) thaws() {
	if v != nil && v.frozen {
		v.frozen = false
		v.pg.Thaw()
	}
}

// turn has the core hear of the server whenever something of it has changed.
func (v *server) turn() {
	v.living(v.draws.Between(10*time.Millisecond, 40*time.Millisecond), v.turn)
	v.report()
}

func (v *server) report() {
	if v.pg == nil || v.pg.Phase() == postgres.Down || v.n.state != running || v.n.paused > 0 {
		return
	}
	s := v.says()
	if v.hasSaid && reflect.DeepEqual(s, v.said) {
		return
	}
	if v.n.w.trace != nil && (!v.hasSaid || s.Recovery != v.said.Recovery || s.Sealed != v.said.Sealed || s.Streaming != v.said.Streaming) {
		v.n.w.say(v.n, "its server: recovery %v sealed %d noted %d end %v history %v streaming %v", s.Recovery, s.Sealed, s.Noted, postgres.LSN(s.End), s.History, s.Streaming)
	}
	v.said, v.hasSaid = s, true
	v.n.input(core.FailoverServer{Server: s})
}

// says is what the host reports.
func (v *server) says() failover.Server {
	p := v.pg
	s := failover.Server{Recovery: p.InRecovery(), Stopping: p.IsStopping(), Joined: v.data.joined && v.store.joined,
		Address: v.n.address, Priority: 100, Sealed: v.data.sealed, JoinedOn: v.data.joinedOn}
	t := p.Timeline()
	if s.Recovery {
		at := p.ValidEnd(postgres.ByHistory)
		t = at.TLI
		s.End, s.Replayed = uint64(at.End), uint64(p.Replayed())
		s.ReplayDone = p.Replayed() >= at.End
		// WAL that its data pages need is to come from whom it was made anew, and from
		// nobody once that one's epoch is over.
		s.Untrusted = p.Control().MinRecovery > at.End && v.data.rejoined < v.shared.Epoch
		if at.Last.Kind != 0 {
			s.Record = failover.Record{LSN: uint64(at.Last.End()), CRC: at.Last.CRC()}
		}
	} else {
		s.Flushed, s.Fork, s.ReplayDone = uint64(p.Flushed()), v.fork, true
		s.End, s.Replayed = s.Flushed, s.Flushed
	}
	s.History, s.Noted = v.history(t), v.data.epochOf(t)
	s.Streaming = p.Receives() || p.Conninfo() != postgres.Conninfo{}
	if s.Streaming {
		s.Follows, s.Lacks = v.follows, v.lacks
	}
	if v.names.Epoch > 0 && p.NamesInForce(v.namesSet) {
		s.Names = v.names
	}
	s.Senders = v.senders()
	return s
}

// history is a timeline's, as its file says.
func (v *server) history(t postgres.TLI) []failover.Branch {
	var h []failover.Branch
	begin := uint64(0)
	for _, l := range v.pg.History(t) {
		h = append(h, failover.Branch{Timeline: uint32(l.TLI), Begin: begin})
		begin = uint64(l.At)
	}
	return append(h, failover.Branch{Timeline: uint32(t), Begin: begin})
}

// senders are the walsenders whose standby holds its member's slot, and calls itself by
// a token.
func (v *server) senders() (l []failover.Sender) {
	for _, x := range v.pg.Walsenders() {
		t, ok := v.in.tokens[x.Name]
		if ok && x.Slot == slotName(core.NodeID(t.Member)) {
			l = append(l, failover.Sender{Token: t, Flushed: uint64(x.Flush)})
		}
	}
	return l
}
