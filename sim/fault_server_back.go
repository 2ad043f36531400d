package sim

import (
	"fmt"
	"time"

	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/core/failover/host"
	"github.com/pgraft/pgraft/sim/postgres"
)

// The ways of faultDataBack.
const (
	backOwn       = iota // a copy of its own data directory, of a server that stands still if it is soon used
	backBackup           // a base backup of the primary
	backUnlabeled        // one whose backup_label somebody has deleted
	backOther            // a copy of another server's data directory
	backSegment          // not older: a file of its WAL is gone, in the middle
	backLast             // the last one is
	backWays
)

var backNames = [...]string{"a copy of its data", "a base backup", "a base backup whose label is deleted", "a copy of another's data",
	"none: its WAL loses a file", "none: its WAL loses its last file"}

// faultDataBack: a copy of a server's data directory is made, and later, as soon as all others
// are well, it is put in the place of the one that is there, beside the Raft store of today. By
// Param it is its own, a base backup of the primary, or another server's; or a file of WAL is
// deleted. From backWays on the primary dies in that moment. For is for how long the copy is kept.
var faultDataBack = Kind{
	Name: "data-back", Group: "server", most: 4, servers: true, patient: true,
	Doc: "an older or another copy of its data directory is put back on a PostgreSQL server, or WAL is deleted",
	draw: func(s *Stream, o *Options, d *Decision) {
		d.anyone(s, o)
		d.Peer = uint32(s.Int(1, o.Nodes))
		if d.Peer == d.Node {
			d.Peer = 0
		}
		d.Param = int64(s.Below(2 * backWays))
		d.For = s.Between(8*time.Second, 38*time.Second)
		if d.Param%backWays == backOwn && s.Below(2) == 0 { // long enough for the floor to tell
			d.At, d.For = s.Between(formTime, 8*time.Second), s.Between(floorReaches+9*time.Second, 36*time.Second)
		}
	},
	begin: func(w *World, s *strike) string {
		v, from := s.node.withServer(), s.node.withServer()
		if s.backWay() == backOther {
			from = s.peer.withServer()
		}
		if v == nil || from == nil || v.rejoining || from.rejoining || !from.data.Joined || from.pg.Phase() == postgres.Down {
			return ""
		}
		w.stageBegins(s)
		s.back = &copied{at: w.now}
		w.next(s, 0, time.Second, 4*time.Second)
		switch s.backWay() {
		case backOwn:
			if s.back.takes(v); s.For > floorReaches+8*time.Second {
				w.next(s, 0, floorReaches+2*time.Second, floorReaches+4*time.Second)
			} else {
				v.dies(false, 10*time.Millisecond)
			}
		case backOther:
			s.back.takes(from)
		case backBackup, backUnlabeled:
			p := w.servers.serving()
			if p == nil {
				return "of nobody, as nobody serves"
			}
			b := s.back
			p.pg.Backup(func(i postgres.Image) {
				if b.takes(p); s.backWay() == backUnlabeled {
					i.DropLabel()
				}
				b.image = i
			})
		}
		return fmt.Sprintf("%s, to be used in %v", backNames[s.backWay()], s.wait)
	},
	stage: func(w *World, s *strike) {
		v := s.node.server
		s.back.watches(v)
		if s.stage > 0 || !w.waited(s) || v.rejoining || v.marker || !w.servers.allSound() || !w.servers.canDoWithout(v) || !s.mayGoBack(w) || s.backWay() == backLast && w.now < s.since+s.wait+floorEvery && v.hasFloorInLast() {
			return
		}
		w.next(s, 1, 0, 0)
		if p := w.servers.serving(); p != v && s.Param >= backWays {
			p.dies(false, s.draws.Between(time.Second, 6*time.Second))
		}
		v.goesBack(s)
	},
	end: func(w *World, s *strike) { w.stageEnds(s) },
}

func (s *strike) backWay() int { return int(s.Param % backWays) }

// goesBack puts the copy of a strike in the place of a server's data.
func (v *server) goesBack(s *strike) {
	w, b := v.n.w, s.back
	v.in.handled = true
	v.dies(false, 10*time.Millisecond)
	switch {
	case s.backWay() >= backSegment:
		before := 0
		if s.backWay() == backSegment {
			before = 1 + s.draws.Below(3)
		}
		if !v.pg.DropSegment(before) {
			return
		}
		w.say(v.n, "a file of its WAL is deleted")
	case b.from == nil: // the backup has not ended
		return
	default:
		w.say(v.n, "is started on a copy of %v's data from %v", b.from.n, b.at)
		v.pg.Restore(b.image)
		v.pg.SetNames(postgres.Names{})
		v.makeSlots()
		v.data = b.notes.Clone()
	}
	w.marks.add(markDataBack)
	v.wentBack = true
}

// copied is a copy of a data directory.
type copied struct {
	at    time.Duration
	end   postgres.LSN
	grown time.Duration // since when the data has had more, and this life of the engine saw it
	life  uint32
	from  *server
	image postgres.Image
	notes host.Data
}

func (c *copied) takes(v *server) {
	c.from, c.image, c.notes, c.end = v, v.pg.Image(), v.data.Clone(), v.pg.ValidEnd(postgres.ByHistory).End
}

// watches notes since when a server's data has more than the copy. The floor is written by an
// engine, and not beyond what a standby has received since its start.
func (c *copied) watches(v *server) {
	n, has := v.n, v.pg.Flushed()
	if v.pg.InRecovery() {
		has = min(v.pg.Replayed(), v.pg.Received())
	}
	switch {
	case n.life != c.life || n.state != running || n.paused > 0:
		c.life, c.grown = n.life, 0
	case c.grown == 0 && has > c.end:
		c.grown = n.w.now
	}
}

// mayGoBack says that the copy can be told from what is there: a copy of its own data that
// has no label, and a nonce that the Raft store still has, only once the floor has been
// written since. It has it within one boot, and until the next one has renewed the nonce.
func (s *strike) mayGoBack(w *World) bool {
	b, v := s.back, s.node.server
	if b.from != v || s.backWay() == backBackup {
		return true
	}
	n := host.Notes{Data: b.notes, Store: v.store}
	return n.Nonces().Foreign() || b.grown > 0 && w.now-b.grown >= floorReaches+2*time.Second
}

// hasFloorInLast says that the floor is in the last segment of a server's WAL: where it is not,
// minRecoveryPoint alone tells that this one is gone.
func (v *server) hasFloorInLast() bool {
	end := v.pg.ValidEnd(postgres.ByHistory).End
	return v.store.Floor.LSN > uint64(end-1)/postgres.SegmentBytes*postgres.SegmentBytes
}

// canDoWithout says, where all are sound, that what was acknowledged is on servers without
// this one: what goes back otherwise is lost, and only an operator's word gets the others on.
func (x *servers) canDoWithout(v *server) bool {
	p := x.serving()
	has := func(id uint64) bool {
		y := x.of(id)
		return y != nil && y != v && !y.pg.Short() // made anew, and not whole yet
	}
	met := func(c failover.Set) bool { return failover.Reign{Primary: p.n.identity.RaftID, Set: c}.Met(has) }
	return met(p.shared.Set) && (p.shared.Next == nil || met(*p.shared.Next)) // the log may take that yet
}
