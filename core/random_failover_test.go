package core_test

import (
	"slices"
	"testing"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/failover"
)

// A random cluster whose nodes have servers, which do late, twice or never what they are
// ordered, and mostly tell the truth.

// serve does one thing with a node's server; from 4 on it does what is ordered.
func (x *random) serve(n *node, what int) {
	v := &n.server.says
	if !v.Joined || n.server.boot != n.starts { // it starts, as a standby
		if !v.Joined {
			*v = failover.Server{Joined: true, JoinedOn: 1, Address: n.address, Priority: 1 + x.r.Uint32N(3), History: []failover.Branch{{Timeline: 1}},
				End: 100, Record: failover.Record{LSN: 100, From: 1}}
		}
		n.server.boot, n.server.last = n.starts, nil
		v.Recovery, v.Streaming, v.Follows, v.Names, v.Senders, v.ReplayDone = true, false, failover.Token{}, failover.Names{}, nil, true
	}
	switch what {
	case 0:
		x.enable()
	case 1:
		v.Recovery, v.Streaming, v.Follows = true, false, failover.Token{} // it crashed
	case 2:
		if !v.Recovery {
			v.End += 10
			v.Flushed, v.Record = v.End, failover.Record{LSN: v.End}
			n.crash(0) // with what nobody else has
			x.isolate(n)
			return
		}
	case 3:
		if l := x.leading(); x.r.IntN(4) == 0 {
			x.failoverCalls[x.nextID+1] = true
			if n.core != nil && x.r.IntN(2) == 0 { // of any member
				l = n
			}
			id := x.id()
			l.step(core.ProposeFailover{ID: id, RequestID: operatorID(id), Entry: []failover.Entry{failover.Clear{Member: n.id.RaftID},
				failover.Quarantine{Member: n.id.RaftID, Reason: failover.QuarantinedByOperator}, failover.Adjust{Mode: failover.ModeOn, Settings: settings()}}[x.r.IntN(3)]})
		}
	default:
		if n.core != nil && len(n.server.last) > 0 {
			x.obey(n, n.server.last[x.r.IntN(len(n.server.last))])
		}
		x.stream(n)
	}
	if n.core != nil {
		if v.Founded = 0; !v.Recovery && n.core.FailoverState().Mode == failover.ModeFounding {
			v.Founded = n.core.FailoverState().Epoch.Number
		}
		n.step(core.FailoverServer{Server: *v})
	}
}

func settings() failover.Settings {
	s := failover.DefaultSettings()
	s.DelayMillis, s.SyncTimeoutMillis = 500, 500
	return s
}

// enable founds failover on whoever leads, as long as it never was.
func (x *random) enable() {
	l := x.leading()
	st := l.core.FailoverState()
	e := failover.Enable{Epoch: st.Epoch.Number + 1, Primary: l.id.RaftID, Boot: l.starts, System: 7, LSN: 100, History: []failover.Branch{{Timeline: 1}},
		Highest: 1, Set: failover.Set{W: 1}, Settings: settings()}
	for _, m := range st.Members {
		if m.ID != l.id.RaftID && m.Data {
			e.Set.Members = append(e.Set.Members, m.ID)
		}
	}
	if st.Mode != failover.ModeOff || st.Epoch.Number > 0 || len(e.Set.Members) == 0 || st.Member(l.id.RaftID) == nil {
		return
	}
	l.server.says.Recovery, l.server.says.Flushed, l.server.says.Noted = false, 100, 1 // it is the one that wrote it
	x.failoverCalls[x.nextID+1] = true
	id := x.id()
	l.step(core.ProposeFailover{ID: id, RequestID: operatorID(id), Entry: e})
}

// obey carries an order out, if what it names still holds.
func (x *random) obey(n *node, o failover.Order) {
	v := &n.server.says
	x.seen[orderText(o)[:4]]++
	switch o := o.(type) {
	case failover.Seal:
		v.Sealed, v.Streaming, v.Follows = max(v.Sealed, o.UpTo), false, failover.Token{}
	case failover.Demote:
		v.Recovery, v.Names, v.Senders = true, failover.Names{}, nil
	case failover.SetNames:
		v.Names = o.Names
	case failover.Promote:
		if t := o.History[len(o.History)-1].Timeline; v.Recovery && !v.Streaming && o.Epoch > v.Sealed && v.End == o.LSN && v.History[len(v.History)-1].Timeline < t {
			v.History, v.End, v.Noted, v.Recovery = o.History, o.LSN+10, o.Epoch, false
			v.Flushed, v.Fork, v.Record = v.End, v.End, failover.Record{LSN: v.End}
		}
	case failover.Follow:
		if v.Recovery && o.Token.Epoch > v.Sealed {
			v.Streaming, v.Follows, v.Noted = true, o.Token, noted(o.Notes, v)
		}
	case failover.Rejoin:
		if p := x.byRaftID(o.Primary); p != nil && v.Recovery && o.Epoch > v.Sealed {
			v.History, v.End, v.Noted, v.Record = p.server.says.History, p.server.says.End, p.server.says.Noted, p.server.says.Record
		}
	case failover.Compare:
		n.step(core.FailoverCompared{Compared: failover.Compared{Member: o.Member, Boot: o.Follow, Have: x.r.IntN(2) == 0, Equal: true}})
	case failover.Release:
		v.Sealed, v.Joined, v.Names = max(v.Sealed, o.Epoch), false, failover.Names{}
	case failover.Watch:
		n.step(core.FailoverPort{Port: failover.Port{Member: o.Member, Epoch: o.Epoch, Answers: x.r.IntN(2) == 0, Refuses: x.r.IntN(4) == 0, Reset: x.r.IntN(4) == 0}})
	}
}

func noted(notes []failover.Note, v *failover.Server) uint64 {
	for _, x := range notes {
		if x.Timeline == v.History[len(v.History)-1].Timeline {
			return x.Epoch
		}
	}
	return v.Noted
}

func (x *random) byRaftID(id uint64) *node {
	i := slices.IndexFunc(x.all(), func(n *node) bool { return n.id.RaftID == id })
	if i < 0 {
		return nil
	}
	return x.all()[i]
}

// stream brings a follower to where its primary is.
func (x *random) stream(n *node) {
	v := &n.server.says
	i := slices.IndexFunc(x.all(), func(p *node) bool {
		return v.Streaming && !p.server.says.Recovery && p.core != nil && p.starts == v.Follows.Boot && p.server.says.Noted <= v.Follows.Epoch
	})
	if i < 0 {
		return
	}
	p := &x.all()[i].server.says
	v.History, v.End, v.Replayed, v.Record = p.History, p.End, p.End, p.Record
	if v.Noted = p.Noted; v.Noted == 0 {
		v.Noted = 1
	}
	p.Senders = append(slices.DeleteFunc(slices.Clone(p.Senders), func(s failover.Sender) bool { return s.Token.Member == v.Follows.Member }),
		failover.Sender{Token: v.Follows, Flushed: v.End})
}

// calm ends all faults for a while, and servers obey.
func (x *random) calm() {
	if x.r.IntN(2) == 0 { // but for who is away
		x.heal()
		x.restartAll()
	} else {
		clear(x.slow)
	}
	x.serve(x.leading(), 0)
	for range 30 {
		x.run(1)
		for _, n := range x.running() {
			x.serve(n, 4)
			x.serve(n, 4)
		}
	}
}

// Everything that can happen to a cluster happens while failover is on: nothing panics,
// a core made of a checkpoint goes on alike, and epochs come and go.
func TestFailoverInRandomClusters(t *testing.T) {
	s := &shadows{t: t, of: map[*node][]*shadow{}, roles: map[core.Role]int{}, seen: map[string]int{}}
	sum := map[string]int{}
	for seed := range uint64(8) {
		x := newRandomWith(seed, func(c *cluster) {
			c.timing.Newest, c.timing.Failover = core.FailoverVersion, core.FailoverConfig{Boot: 1, SealMillis: 500}
		})
		clear(s.of)
		s.seed = seed
		opened := map[uint64]bool{}
		x.onStep = func(n *node, in core.Input, out core.Output) {
			s.step(n, in, out)
			if out.Failover != nil && out.Failover.Shared.Open {
				opened[out.Failover.Shared.Epoch] = true
			}
		}
		for range 5000 {
			x.step()
			if x.r.IntN(3) == 0 {
				x.serve(x.pick(), x.r.IntN(12))
			}
			if x.at%400 == 0 {
				x.calm()
			}
			if x.r.IntN(10) == 0 {
				s.take(x.pick())
			}
		}
		sum["opened"] += len(opened)
		for what, n := range x.seen {
			sum[what] += n
		}
	}
	for _, what := range []string{"opened", "seal", "demo", "name", "prom", "foll", "rejo", "comp", "watc"} {
		if sum[what] == 0 {
			t.Errorf("it never came to this: %s", what)
		}
	}
	t.Logf("%d epochs opened; %v, after a checkpoint %v", sum["opened"], sum, s.seen)
}
