package historytest

import (
	"fmt"
	"slices"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/failover"
)

// A PostgreSQL server, as far as failover looks at one: it tells the truth, and does what
// it is ordered after as long as a real one takes.

const (
	serveEvery = 200 * time.Millisecond // between two looks of a host at its server
	firstEnd   = 0x3000148              // of the WAL that is there when failover is enabled
	written    = 0x1a8                  // bytes of WAL between two looks
	lastWords  = 0x60                   // bytes that a server writes and nobody gets, as it dies
	replays    = 600 * time.Millisecond // that a server takes to replay its WAL
	reportTime = 30 * time.Millisecond  // from a server's start to the host's first report
)

type server struct {
	says   failover.Server
	notes  map[uint32]uint64 // epochs by timeline
	orders []string          // of the last decision
	under  map[string]bool   // orders under way
	shared failover.Shared
	port   failover.Port // that it watches, as it was reported
}

func (s *server) crash() {
	if v := &s.says; !v.Recovery {
		s.write(lastWords)
	}
}

func (s *server) write(bytes uint64) {
	v := &s.says
	v.End += bytes
	v.Flushed, v.Replayed, v.Record = v.End, v.End, failover.Record{LSN: v.End, CRC: uint32(v.End)}
}

// take replaces its WAL by another's.
func (s *server) take(from *server) {
	v, w := &s.says, &from.says
	v.History, v.End, v.Replayed, v.ReplayDone, v.Record = w.History, w.End, w.End, true, w.Record
	v.Noted = s.notes[v.History[len(v.History)-1].Timeline]
}

func (s *server) note(notes []failover.Note) {
	for _, x := range notes {
		s.notes[x.Timeline] = x.Epoch
	}
}

// boot starts the server with the node: as a standby, but for the one that failover is
// enabled on later.
func (n *node) boot() {
	s := &n.server
	v := &s.says
	if s.notes == nil {
		*s = server{notes: map[uint32]uint64{}}
		*v = failover.Server{Joined: true, JoinedOn: 1, Address: "host=" + n.address, Priority: 100, History: []failover.Branch{{Timeline: 1}},
			End: firstEnd, Record: failover.Record{LSN: firstEnd, CRC: firstEnd}}
	}
	s.under, s.shared, s.port = map[string]bool{}, failover.Shared{}, failover.Port{}
	v.Recovery, v.Streaming, v.Follows, v.Names, v.Senders = n.life > 1 || n.id.NodeID > 1, false, failover.Token{}, failover.Names{}, nil
	v.Replayed, v.ReplayDone, v.Flushed = 0, false, 0
	if !v.Recovery {
		v.Flushed = v.End
	}
	n.later(reportTime, n.report)
	n.later(replays, func() {
		v.Replayed, v.ReplayDone = v.End, true
		n.report()
		n.serve()
	})
}

// later does something unless the node has died by then.
func (n *node) later(d time.Duration, do func()) {
	life := n.life
	n.c.after(d, func() {
		if n.core != nil && n.life == life {
			do()
		}
	})
}

func (n *node) report() {
	v := &n.server.says
	v.Boots = n.server.shared.Boots
	v.Wrote = v.Recovery && n.id.NodeID == 1 && v.History[len(v.History)-1].Timeline == 1 // failover is enabled on it
	if v.Record.From = 0; n.server.shared.Prove {
		v.Record.From = 1
	}
	n.step(core.FailoverServer{Server: n.server.says})
}

// serve is what goes on by itself: a primary writes, a follower gets that.
func (n *node) serve() {
	s := &n.server
	v := &s.says
	switch {
	case !v.Recovery && s.shared.Open && n.core.Status().LeaseTicks > 0:
		s.write(written)
		n.report()
	case v.Streaming:
		n.stream()
	}
	n.look()
	n.later(serveEvery, n.serve)
}

// stream gets what the primary has, if it is there.
func (n *node) stream() {
	v := &n.server.says
	for _, p := range n.c.nodes {
		w := &p.server.says
		if p == n || p.core == nil || w.Recovery || p.life != v.Follows.Boot || p.server.shared.Epoch != v.Follows.Epoch || n.c.cut[p.id.NodeID] != n.c.cut[n.id.NodeID] {
			continue
		}
		n.server.take(&p.server)
		w.Senders = slices.DeleteFunc(slices.Clone(w.Senders), func(x failover.Sender) bool { return x.Token.Member == n.id.RaftID })
		w.Senders = append(w.Senders, failover.Sender{Token: v.Follows, Flushed: v.End})
		n.report()
		p.report()
	}
}

// look reports the port of the primary, if that has changed.
func (n *node) look() {
	was := n.server.port
	if was.Member == 0 {
		return
	}
	p := n.c.nodes[core.NodeID(was.Member)-1]
	is := failover.Port{Member: was.Member, Epoch: was.Epoch}
	if n.c.cut[p.id.NodeID] == n.c.cut[n.id.NodeID] {
		is.Answers, is.Refuses, is.Reset = p.core != nil, p.core == nil, p.core == nil
	}
	if is != was {
		n.server.port = is
		n.step(core.FailoverPort{Port: is})
	}
}

// order has the server do what was decided, each thing once at a time.
func (n *node) order(out core.FailoverOutput) {
	s := &n.server
	s.shared, s.orders = out.Shared, nil
	if e := s.shared.Epoch; s.shared.Founding && s.shared.Primary && !s.says.Recovery && s.says.Founded != e {
		n.later(reportTime, func() {
			s.says.Founded = e
			n.report()
		})
	}
	if s.shared.Prove && s.says.Record.From == 0 {
		n.later(reportTime, n.report)
	}
	for _, o := range out.Orders {
		key := fmt.Sprintf("%T %+v", o, o)
		s.orders = append(s.orders, key)
		if s.under[key] {
			continue
		}
		s.under[key] = true
		n.later(takes(o), func() {
			delete(s.under, key)
			if slices.Contains(s.orders, key) { // else it is over
				n.obey(o)
			}
		})
	}
}

func takes(o failover.Order) time.Duration {
	switch o.(type) {
	case failover.Demote:
		return 500 * time.Millisecond
	case failover.Promote:
		return 300 * time.Millisecond
	case failover.Rejoin:
		return 1500 * time.Millisecond
	case failover.Seal, failover.Follow:
		return 60 * time.Millisecond
	default:
		return 15 * time.Millisecond
	}
}

func (n *node) obey(o failover.Order) {
	s := &n.server
	v := &s.says
	switch o := o.(type) {
	case failover.Seal:
		v.Sealed, v.Streaming, v.Follows = max(v.Sealed, o.UpTo), false, failover.Token{}
	case failover.Demote:
		v.Recovery, v.ReplayDone, v.Names, v.Senders = true, true, failover.Names{}, nil
	case failover.SetNames:
		v.Names = o.Names
	case failover.Release:
		v.Sealed, v.Joined, v.Names = max(v.Sealed, o.Epoch), false, failover.Names{}
	case failover.Promote:
		v.History, v.Noted, v.Recovery = o.History, o.Epoch, false
		s.notes[o.History[len(o.History)-1].Timeline] = o.Epoch
		s.write(lastWords)
		v.Fork = v.End
	case failover.Follow:
		s.note(o.Notes)
		v.Streaming, v.Follows = true, o.Token
		v.Noted = s.notes[v.History[len(v.History)-1].Timeline]
	case failover.Rejoin:
		s.note(o.Notes)
		s.take(&n.c.nodes[core.NodeID(o.Primary)-1].server)
	case failover.Trust:
		v.Untrusted = false
	case failover.Compare:
		n.step(core.FailoverCompared{Compared: failover.Compared{Member: o.Member, Boot: o.Follow, Have: true, Equal: true}})
		return
	case failover.Watch:
		s.port = failover.Port{Member: o.Member, Epoch: o.Epoch}
		n.look()
		return
	}
	n.report()
}

// enable is the operator's, on node 1.
func (c *cluster) enable() {
	n := c.nodes[0]
	c.nextID++
	e := failover.Enable{Epoch: 1, Primary: n.id.RaftID, Boot: n.life, System: 7, LSN: n.server.says.End, History: n.server.says.History,
		Highest: 1, Set: failover.Set{W: 1}, Settings: failover.DefaultSettings()}
	for _, o := range c.nodes[1:] {
		e.Set.Members = append(e.Set.Members, o.id.RaftID)
	}
	n.step(core.ProposeFailover{ID: c.nextID, RequestID: [16]byte{15: byte(c.nextID)}, Entry: e})
}
