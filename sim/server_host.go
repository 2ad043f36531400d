package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/core/failover/host"
	"github.com/pgraft/pgraft/sim/postgres"
)

// What a host does to a server, and sees of it, as sim/postgres has it. What follows from what
// is core/failover/host's to say.

func (v *server) notes() host.Notes { return host.Notes{Data: v.data, Store: v.store} }

// sees is one look at the server. What costs much is looked at where it can count.
func (v *server) sees() host.Seen {
	p := v.pg
	s := host.Seen{Boot: v.boot, Shared: v.shared, Lease: v.leased(), Address: v.n.address, Priority: v.priority,
		Down: p.Phase() == postgres.Down, Recovery: p.InRecovery(), Production: p.Phase() == postgres.Production, Stopping: p.IsStopping(),
		WillPromote: p.WillPromote(), Promotes: p.Promotes(), Astray: p.Astray(), HoldsHalf: p.HoldsHalf(),
		Receives: p.Receives(), Source: p.Conninfo() != postgres.Conninfo{}, Last: uint32(p.LastTimeline()), Timeline: uint32(p.Timeline()),
		Replayed: uint64(p.Replayed()), Received: uint64(p.Received()), Inserted: uint64(p.Inserted()), Flushed: uint64(p.Flushed()), Checkpoint: uint64(p.Control().Redo),
		NamesInForce: v.mem.Names.Epoch > 0 && p.NamesInForce(v.namesSet), Senders: v.senders()}
	t := p.Timeline()
	if s.Recovery {
		s.End = v.endsAt()
		s.Short = v.data.Anew > 0 && p.Short()
		t = postgres.TLI(s.End.Timeline)
	}
	s.Commits = (v.shared.Switchover != 0 || v.shared.Founding) && slices.ContainsFunc(p.Sessions(), (*postgres.Session).Commits)
	s.History, s.Histories = v.history(t), v.histories()
	return s
}

// endsAt is the end of valid WAL.
func (v *server) endsAt() host.End {
	at := v.pg.ValidEnd(postgres.ByHistory)
	e := host.End{Timeline: uint32(at.TLI), LSN: uint64(at.End)}
	if at.Last.Kind != 0 {
		from := postgres.LSN(0)
		if v.shared.Prove {
			from = v.pg.Control().Redo
		}
		e.Record = v.record(at.Last, from)
	}
	return e
}

// record is a record of the server's WAL, and if that is all there from an LSN on, of that, too;
// from 0 is nowhere.
func (v *server) record(r postgres.Record, from postgres.LSN) failover.Record {
	x := failover.Record{LSN: uint64(r.End()), CRC: r.CRC()}
	if sum, there := v.pg.Sum(from, r.End()); there {
		x.From, x.Sum = uint64(from), sum
	}
	return x
}

func (v *server) histories() (l []uint32) {
	for _, h := range v.pg.Histories() {
		l = append(l, uint32(h.TLI))
	}
	return l
}

// seesAtBoot is what is seen of the data before recovery begins.
func (v *server) seesAtBoot() host.AtBoot {
	p := v.pg
	return host.AtBoot{Marker: v.marker, Lowered: v.lowered, Label: p.FromBackup(), Hole: p.Hole(), WasPrimary: p.WasPrimary(),
		Last: uint32(p.LastTimeline()), End: v.endsAt(), MinRecovery: uint64(p.Control().MinRecovery), Histories: v.histories()}
}

// does carries acts out.
func (v *server) does(acts ...host.Act) {
	for _, a := range acts {
		v.mem.Does(a)
		v.act(a)
	}
}

func (v *server) act(a host.Act) {
	p := v.pg
	switch a := a.(type) {
	case host.NoteData:
		v.data = a.Data
	case host.NoteStore:
		v.store = a.Store
	case host.WriteHistory:
		h := a.History
		p.WriteHistory(postgres.History{TLI: postgres.TLI(h[len(h)-1].Timeline), Lines: linesOf(h)})
	case host.RemoveHistory:
		p.RemoveHistory(postgres.TLI(a.Timeline))
	case host.CutWAL:
		p.CutWAL(postgres.LSN(a.At))
	case host.EndSources:
		p.Seal(func(postgres.Position) { v.isSealed(a.Order) })
	case host.ClearSource:
		p.SetConninfo(postgres.Conninfo{})
	case host.Stream:
		p.SetConninfo(postgres.Conninfo{Primary: int(core.NodeID(a.Primary)), Name: v.in.tokenName(a.Token), Slot: slotName(v.n.id)})
	case host.PutNames:
		v.putNames(a.Names)
	case host.EndSessions:
		p.EndSessions()
	case host.ResumeReplay:
		p.PauseReplay(false)
	case host.Promote:
		p.PromoteTo(postgres.TLI(a.Timeline))
	case host.Restart:
		p.CrashRestart()
	case host.MakeCheckpoint:
		p.Checkpoint(nil)
	case host.FastStop:
		v.stops()
	case host.BeginRejoin:
		v.rejoins(a.Order)
	case host.TrustData:
		v.isWhole()
	case host.LookUp:
		v.looksUp(a.Order)
	case host.WatchPort:
		v.watchesPort(a.Order)
	case host.CreateStandbySignal:
		p.CreateStandbySignal()
	case host.RemovePromote:
		p.RemovePromote()
	default:
		panic(fmt.Sprintf("sim: no host does %T", a))
	}
}

// isSealed goes on with a seal once no source of WAL is there.
func (v *server) isSealed(o failover.Seal) {
	if v.n.state != running || v.apart {
		return
	}
	s := v.sees()
	acts, ok := host.Sealed(o, v.notes(), &v.mem, &s)
	if !ok {
		v.startsAnew(acts, &s, fmt.Sprintf("to be sealed up to epoch %d", o.UpTo))
		return
	}
	if v.data.Sealed < o.UpTo {
		v.n.w.say(v.n, "is sealed up to epoch %d, at %v", o.UpTo, postgres.LSN(s.End.LSN))
		v.n.w.marks.add(markSealed)
	}
	v.carriesOut(o, acts)
	v.report()
}

// startsAnew carries a restart in place out, if there is one.
func (v *server) startsAnew(acts []host.Act, s *host.Seen, why string) {
	if len(acts) > 0 {
		v.saysThatItRestarts(acts, s, why)
		v.does(acts...)
	}
}

// putNames sets the names, and keeps what each stands for.
func (v *server) putNames(o failover.Names) {
	n := postgres.Names{}
	if o.W > 0 {
		n = postgres.Names{W: int(o.W), Names: host.StandbyNames(&o)}
	}
	for _, t := range o.Tokens {
		v.in.tokenName(t)
	}
	v.namesSet = n
	v.pg.SetNames(n)
}

// stops is a fast shutdown, after which the server boots as a standby: the exit callback
// executes it anew. The engine is among the first to end.
func (v *server) stops() {
	w := v.n.w
	w.checks.switches(v)
	v.n.dies(surviveAll)
	v.pg.FastStop(func() { w.restartLater(v.n, v.draws.Between(50*time.Millisecond, 500*time.Millisecond)) })
}

func (v *server) looksUp(o failover.Compare) {
	r, have := v.pg.RecordEnding(postgres.LSN(o.Record.LSN))
	var ends failover.Record
	if r.Kind != 0 {
		ends = v.record(r, postgres.LSN(o.Record.From))
	}
	v.n.input(core.FailoverCompared{Compared: host.Compared(o, have, ends)})
}

func (v *server) watchesPort(o failover.Watch) {
	if v.watches = o; v.port.Member != o.Member || v.port.Epoch != o.Epoch {
		v.port = failover.Port{}
		v.seesPort()
	}
}

// linesOf is what the history file of a history's last timeline says.
func linesOf(h []failover.Branch) (l []postgres.Left) {
	for i, b := range h[:len(h)-1] {
		l = append(l, postgres.Left{TLI: postgres.TLI(b.Timeline), At: postgres.LSN(h[i+1].Begin)})
	}
	return l
}
