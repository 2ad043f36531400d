package sim

import (
	"bytes"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/core/failover/host"
	"github.com/pgraft/pgraft/sim/postgres"
)

// server is a node's PostgreSQL server, and what of pgraft runs in it beside the engine:
// the fence in each commit (server_fence.go), and its host, which carries orders out
// (server_orders.go, server_host.go). The node is its engine: that may end and begin while the server
// runs, and ends with it.
type server struct {
	n       *node
	in      *servers
	draws   Stream
	backend Stream           // when a backend stands still
	lots    Stream           // of what tells its data from a copy
	moves   Stream           // how it becomes a new member's
	pg      *postgres.Server // nil: a witness
	data    host.Data
	store   host.Store
	mem     host.Memory

	// Shared memory; what the engine before left of it counts no more.
	shared  failover.Shared
	version uint64                       // of it: raised with each change
	begun   map[*postgres.Session]uint64 // the epoch in which a commit passed F1
	looks   map[*postgres.Session]look   // what F3 has read for a commit so far

	// Of this life of the engine.
	boot uint64
	said failover.Server
	// saidBytes is it, encoded; encoded is the room for the next.
	saidBytes, encoded []byte
	hasSaid            bool
	apart              bool           // failover is off in its settings
	doing              []string       // orders under way
	follow             failover.Order // the last one to follow that was carried out, of any life
	watches            failover.Watch
	port               failover.Port
	why                failover.Why
	nobody             failover.Why
	late               int // faults in force that make it obey late
	rarely             int // and that make its host look at it rarely

	// Of this start of the server.
	namesSet postgres.Names // the names of mem, as PostgreSQL has them
	gaps     bool           // it was promoted, and the numbers that were skipped name no parent
	reigns   uint64         // the epoch that it is the primary of, also while no engine says so

	priority     uint32
	booted       bool           // the library has been loaded
	remade       bool           // the operator has made its data anew, as it is quarantined
	byHand       bool           // somebody promotes it by hand, and writes
	out          bool           // its settings say that it takes no part
	edited       bool           // a note that it takes part was lost, and is not restored yet
	diesReleased bool           // it will die as it is told that failover is off
	halfTold     bool           // it did, and has not been told again
	notedSince   time.Duration  // failover is off, one of its notes is left, and nothing is said of that
	off          bool           // the machine has no power
	rejoining    bool           // no server, and no engine, until its data is made anew
	helping      bool           // the engine runs meanwhile
	rejoin       host.Rejoining // what its helper has come to
	named        *server        // failover is off, and an operator has it cloned from this one
	rewound      bool           // and it has not been consistent since
	cutShort     bool           // a rejoin was: its data is to be cloned
	marker       bool           // of a rejoin that has not ended, outside the data directory
	aside        *host.Data     // and the server's own files beside it
	lowered      bool           // a setting that a standby needs
	renewed      bool           // of this life: the nonce is alone in the Raft store, or stays
	fatals       int            // starts in a row that came to nothing
	frozen       bool
	setsApart    int // faults in force that set failover off there, from its next start on
	// For the checkers: until when it had the lease; that others took it for dead, as a
	// firewall rejected them.
	leasedUntil time.Duration
	refused     bool
	replayed    postgres.LSN      // it has replayed that far
	replayedAt  time.Duration     // since then, or since it has to
	had         failover.Position // its WAL was on its disk up to here when a commit was acknowledged by it
	tookWrites  time.Duration     // when it was promoted last
	wentBack    bool              // its data is not what it was
	otherStore  bool              // its Raft store is new, and its data is not
	blank       bool              // it has no data yet
	moved       int               // how often its node has become another member
	taken       bool              // it has the data of a member that was, and does not take part yet
	anewOf      uint64            // the epoch whose primary it may be made anew from
	timesAnew   int               // how often it was
}

// install sets the server up: a copy of the first one's database, and its standby.
func (v *server) install() {
	v.pg = postgres.New(int(v.n.id), serverEnv{v}, v.in.config)
	v.hooks()
	v.shared.Reads = true
	v.begun, v.looks = map[*postgres.Session]uint64{}, map[*postgres.Session]look{}
	v.makeSlots()
	if v.n.id != 1 {
		v.pg.CreateStandbySignal()
		v.streamsPlainly(1)
	}
}

// streamsPlainly has the server stream as standbys do without failover.
func (v *server) streamsPlainly(primary uint32) {
	name := slotName(v.n.id)
	v.mem.Lacks = false
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
	v.doing, v.watches, v.why, v.nobody = nil, failover.Watch{}, failover.Why{}, failover.Why{}
	if v.apart = v.setsApart > 0; v.apart {
		v.publish(v.unknown())
		return
	}
	v.does(v.store.Begins())
	v.boot = v.store.Boot
	v.hasSaid, v.port = false, failover.Port{}
	if v.pg != nil && !v.data.Joined && !v.edited && !v.out && !v.blank { // as its settings say
		v.takesPart()
	}
	v.publish(v.unknown())
	v.renews()
}

// begins is the first turn of an engine's host.
func (v *server) begins() {
	if v == nil || v.apart {
		return
	}
	v.living(0, v.turn)
	v.living(v.lots.Between(0, floorEvery), v.keepsFloor)
	v.living(v.draws.Between(0, portPeriod), v.lookAtPort)
}

// unknown is what shared memory says while no engine has decided.
func (v *server) unknown() failover.Shared {
	n := v.notes()
	return host.Unknown(&n, v.shared.Reads, v.pg != nil && v.pg.InRecovery())
}

func (v *server) engineEnds() {
	if v != nil {
		v.publish(v.unknown())
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
	v.begun, v.looks = map[*postgres.Session]uint64{}, map[*postgres.Session]look{}
	v.publish(v.unknown())
	v.frozen, v.booted = false, false
	n, life := v.n, v.n.life
	n.w.soon(func() {
		alone := v.pg.Phase() == postgres.Down && v.pg.Fatal() != ""
		if alone {
			n.w.say(n, "its server ends: %s", v.pg.Fatal())
		}
		if alone && !v.lowered && !v.marker {
			v.fatals++
		}
		// The source lacked WAL that it needs, or its helper was killed.
		if alone && !v.rejoining && (v.rewound && !v.lowered || v.marker) {
			v.cutShort = true
			x := cloned
			if v.marker {
				x = v.rejoin
			}
			v.leaves(x)
			return
		}
		if n.life != life || n.state == down && (!alone || v.rejoining) {
			return
		}
		n.dies(surviveAll)
		if v.pg.Phase() == postgres.Down {
			least := 100 * time.Millisecond
			if v.lowered {
				least = time.Second
			}
			n.w.restartLater(n, v.draws.Between(least, time.Second))
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
	within := 40 * time.Millisecond
	if v.rarely > 0 {
		within = time.Second
	}
	v.living(v.draws.Between(10*time.Millisecond, within), v.turn)
	v.report()
}

func (v *server) report() {
	if v.pg == nil || v.apart || !v.renewed || !v.booted || v.pg.Phase() == postgres.Down || v.n.state != running || v.n.paused > 0 {
		return
	}
	if v.gaps && v.pg.Phase() == postgres.Production {
		v.gaps = false
		v.pg.PromotionEnded()
	}
	s, ok := v.says()
	if !ok {
		return
	}
	in := core.FailoverServer{Server: s}
	v.encoded = core.EncodeInput(v.encoded[:0], in)
	if v.hasSaid && bytes.Equal(v.encoded, v.saidBytes) {
		return
	}
	v.encoded, v.saidBytes = v.saidBytes, v.encoded
	if v.n.w.trace != nil && (!v.hasSaid || s.Recovery != v.said.Recovery || s.Sealed != v.said.Sealed || s.Streaming != v.said.Streaming) {
		v.n.w.say(v.n, "its server: recovery %v sealed %d noted %d end %v history %v streaming %v", s.Recovery, s.Sealed, s.Noted, postgres.LSN(s.End), s.History, s.Streaming)
	}
	v.said, v.hasSaid = s, true
	v.n.input(in)
}

// says is what the host reports; false: nothing.
func (v *server) says() (failover.Server, bool) {
	s, n := v.sees(), v.notes()
	if v.mem.Founds(&s) {
		v.pg.Flush()
	}
	return host.Report(&n, &v.mem, &s), !v.mem.Between(&n, &s)
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
