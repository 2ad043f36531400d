package sim

import (
	"time"

	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/core/failover/host"
	"github.com/pgraft/pgraft/sim/postgres"
)

// What a server finds as it boots, and what tells its data from a copy of it: the nonces
// and the floor. What follows is core/failover's to say.

// bootsAs carries out what a boot's rules say, before recovery looks at anything.
func (v *server) bootsAs() {
	w := v.n.w
	b := host.Booting{Again: true}
	for b.Again {
		at := v.seesAtBoot()
		if b = host.Boot(v.notes(), &at); b.Again {
			v.does(b.Acts...)
		}
	}
	switch b.Verdict.Role {
	case failover.BootPlain:
		v.engineSoon()
	case failover.BootRefused:
		w.marks.add(markBootRefused)
		v.pg.Refuse("max_connections is lower than it was on the primary")
	case failover.BootRejoin:
		w.marks.add(markMarkerFound)
		v.pg.Refuse("its data was being made anew")
	case failover.BootStandby:
		d := v.data.Doubt
		if b.Verdict.Doubt != failover.NoDoubt && d == failover.NoDoubt {
			d = b.Verdict.Doubt
			w.say(v.n, "boots with doubt: %v", d)
			w.marks.add(markDoubted)
		}
		v.mem.Damage = b.Verdict.Damage
		w.checks.doubts(v, d)
		v.engineSoon()
		v.does(b.Acts...)
	}
}

// renews draws another nonce, write by write. The host reports nothing of the server until
// it is alone in the Raft store. A server that takes no part renews it as well: it may take
// part later in this life.
func (v *server) renews() {
	n := v.notes()
	v.renewed = v.pg == nil || !n.Renews()
	if v.renewed {
		return
	}
	fresh, slow := v.lots.Uint64()|1, v.lots.Below(4) == 0
	var write func()
	write = func() {
		a, more := host.Renewal(v.notes(), fresh)
		v.does(a)
		switch {
		case more && slow:
			v.living(v.lots.Between(0, 100*time.Millisecond), write)
		case more:
			write()
		default:
			v.renewed, v.otherStore = true, false
		}
	}
	write()
}

// floorEvery is how often the floor is written.
const floorEvery = failover.FloorMillis * time.Millisecond

// floorReaches is when the floor is past what there was: a primary's is what was inserted at
// one look and flushed by the next.
const floorReaches = 2 * floorEvery

// keepsFloor writes it now and then. A primary waits until what it has written is flushed.
func (v *server) keepsFloor() {
	v.living(floorEvery, v.keepsFloor)
	p := v.pg
	if p == nil || p.Phase() == postgres.Down || v.n.paused > 0 {
		return
	}
	was := v.sees()
	if was.Recovery {
		v.does(host.Floor(v.notes(), &was, &was)...)
		return
	}
	v.living(time.Second, func() {
		now := v.sees()
		v.does(host.Floor(v.notes(), &was, &now)...)
	})
}

func (v *server) untrusted() bool {
	n := v.notes()
	return n.Untrusted(v.pg.Short())
}

// isWhole has the data count as what it was.
func (v *server) isWhole() {
	if v.carriesOut(failover.Trust{Epoch: v.shared.Epoch, Boot: v.boot}, host.Whole(v.notes(), v.lots.Uint64()|1)) {
		v.wentBack, v.otherStore = false, false
	}
}

// putAside keeps the server's own files outside the data directory, with the marker, while
// its data is made anew: what makes it brings the source's along.
func (v *server) putAside(source *server) {
	v.marker = true
	if v.aside == nil {
		own := v.data.Clone()
		v.aside = &own
	}
	v.data = source.data.Clone()
}

// own are the server's own files, wherever they are.
func (v *server) own() *host.Data {
	if v.aside != nil {
		return v.aside
	}
	return &v.data
}

// putBack is the end of that: the data is whole and trusted again.
func (v *server) putBack(source *server) {
	v.rejoin.From = host.Source{Notes: source.data.Notes, Epoch: source.reigns, Timeline: uint32(source.timeline())}
	v.does(v.rejoin.Ends(*v.aside, v.store, v.lots.Uint64()|1)...)
	v.aside, v.wentBack, v.otherStore = nil, false, false
	v.timesAnew++
	v.marker = false
}
