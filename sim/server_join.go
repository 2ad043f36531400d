package sim

import (
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/core/failover/host"
	"github.com/pgraft/pgraft/sim/postgres"
)

// The server of a new member, `pgraft join`: it has no data and gets that of the primary, or
// it has the data directory of a member that was. Its Raft store is new either way.

// setUp gives a node what runs beside its engine: a PostgreSQL server without data, or, on a
// witness, nothing.
func (x *servers) setUp(n *node, witness bool) {
	if n.server != nil {
		return
	}
	v := x.newServer(n)
	if !witness {
		v.pg = postgres.New(int(n.id), serverEnv{v}, x.config)
		v.hooks()
		v.begun, v.looks = map[*postgres.Session]uint64{}, map[*postgres.Session]look{}
	}
	n.crash(surviveAll)
	n.server = v
	x.all = append(x.all, v)
	if witness {
		n.start()
		return
	}
	x.withData = append(x.withData, v)
	v.empties()
	v.works()
}

func (x *servers) newServer(n *node) *server {
	seed := x.w.o.Seed
	return &server{n: n, draws: For(seed, "server", uint64(n.id)), backend: For(seed, "backend", uint64(n.id)), lots: For(seed, "server back", uint64(n.id)),
		moves: For(seed, "server join", uint64(n.id)), in: x, priority: priority}
}

// empties has a server begin without data: it and its node are down. Its engine may run
// before the data is there.
func (v *server) empties() {
	v.rejoining, v.blank = true, true
	v.helping = v.moves.Below(2) == 0
	v.data, v.store, v.aside = host.Data{}, host.Store{}, nil
	v.had, v.mem.Damage = failover.Position{}, failover.NotQuarantined
	v.marker, v.cutShort, v.named, v.rewound, v.remade, v.lowered = false, false, nil, false, false, false
	v.edited, v.out, v.byHand, v.taken, v.otherStore, v.wentBack, v.fatals = false, false, false, false, false, false, 0
	v.pg.Kill(true)
	v.fetches()
	v.n.start()
}

// fetches clones the primary of an open epoch, once there is one.
func (v *server) fetches() {
	w, life := v.n.w, v.moved
	w.arrange(event{at: w.now + v.moves.Between(100*time.Millisecond, 3*time.Second), kind: evCall, ref: func() {
		p, ok := v.anySource()
		switch {
		case !v.blank || v.moved != life:
		case !ok || !p.serves() || v.moves.Below(6) == 0: // or pg_basebackup was killed: it begins anew
			v.fetches()
		default:
			v.isCloned(p)
		}
	}})
}

// isCloned is the end of that. The timelines are noted by what the primary has, before any
// WAL comes from elsewhere.
func (v *server) isCloned(p *server) {
	w := v.n.w
	v.helping = false
	v.engineLeaves()
	v.putAside(p)
	v.pg.Clone(p.pg)
	v.rejoin = cloned
	v.putBack(p)
	v.data.Joined, v.store.Joined, v.blank = true, true, false
	w.marks.add(markMemberCloned)
	w.say(v.n, "is cloned from %v, as the server of a new member", p.n)
	for _, x := range v.in.data() {
		x.pg.MakeSlot(slotName(v.n.id))
	}
	v.backUp()
}

// makeSlots makes a slot for each other member.
func (v *server) makeSlots() {
	for _, n := range v.n.w.nodes[:v.n.w.o.Nodes] {
		v.pg.MakeSlot(slotName(n.id))
	}
	for _, x := range v.in.all[min(len(v.in.all), v.n.w.o.Nodes):] { // who came later
		v.pg.MakeSlot(slotName(x.n.id))
	}
}

// wiped is the Raft store of a server gone, as its node is to be another member: half of the
// time its data goes along.
func (v *server) wiped() {
	if v == nil {
		return
	}
	v.moved++
	v.priority = priority
	if v.pg == nil {
		v.store = host.Store{}
		return
	}
	whole := v.data.Joined && !v.rejoining && !v.marker && !v.remade && !v.pg.Damaged() && v.fatals == 0 && !v.out
	if !whole || v.moves.Below(2) == 0 {
		v.n.w.say(v.n, "has no data any more")
		v.empties()
		return
	}
	v.n.w.say(v.n, "keeps its data, with another Raft store")
	v.in.handled = true
	v.store, v.had = host.Store{}, failover.Position{}
	v.edited, v.taken, v.otherStore = true, true, true
}

// isRemoved is the end of a member's part in failover: who takes writes becomes a standby that
// nobody promotes. Commits that wait there would do so for ever.
func (v *server) isRemoved() {
	if v == nil || v.pg == nil {
		return
	}
	s := v.sees()
	if acts := host.Removed(v.notes(), &s); acts != nil {
		v.n.w.say(v.n, "its server is demoted, as the node was removed")
		v.does(acts...)
	}
}

// takesOver notes that a server with the data of a member that was takes part, once its node
// is one.
func (v *server) takesOver() {
	w := v.n.w
	if !v.taken || v.n.state != running || v.n.foreign() || v.rejoining {
		return
	}
	w.say(v.n, "is to take part with the data that it had as another member")
	w.marks.add(markDataTaken)
	v.taken, v.edited = false, false
	if v.out { // it was told meanwhile that failover is off
		v.joins(0)
		return
	}
	v.data.Joined, v.store.Joined = true, true
}

// isMember says that a server's node is to be a member.
func (v *server) isMember() bool { return v.n.w.operator.want[v.n.id-1] }

// is says that a node is, or was last, the member with a Raft id.
func (n *node) is(member uint64) bool {
	return n.identity.RaftID == member && core.NodeID(member) == n.id
}
