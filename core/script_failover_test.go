package core_test

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/failover"
)

// server is a node's PostgreSQL server, as scripts describe it by hand, and what was
// decided about it last.
type server struct {
	says   failover.Server
	fence  string
	orders []string
	last   []failover.Order
	boot   uint64 // of the engine that it last reported to, in a random cluster
	why    [2]failover.Why
	token  failover.Token // of the last Follow
	names  failover.Names // of the last SetNames
}

// Failover tells what has changed since the decision before.
func (n *node) Failover(out core.FailoverOutput) {
	s := &n.server
	if text := fenceText(out.Shared); text != s.fence {
		s.fence = text
		n.c.printf("%d: fence: %s\n", n.key, text)
	}
	var orders []string
	s.last = out.Orders
	for _, o := range out.Orders {
		switch o := o.(type) {
		case failover.Follow:
			s.token = o.Token
		case failover.SetNames:
			s.names = o.Names
		}
		orders = append(orders, orderText(o))
	}
	for _, o := range orders {
		if !slices.Contains(s.orders, o) {
			n.c.printf("%d: order: %s\n", n.key, o)
		}
	}
	for _, o := range s.orders {
		if !slices.Contains(orders, o) {
			n.c.printf("%d: order is over: %s\n", n.key, o)
		}
	}
	s.orders = orders
	for i, w := range [2]failover.Why{out.Why, out.Nobody} {
		if was := s.why[i]; w.Reason != was.Reason || !slices.Equal(w.Members, was.Members) {
			n.c.printf("%d: %s: %v%s\n", n.key, [2]string{"the server waits", "no other primary"}[i], w.Reason, nodesText(w.Members))
		}
		s.why[i] = w
	}
}

func fenceText(s failover.Shared) string {
	var l []string
	for _, x := range []struct {
		name string
		on   bool
	}{{"failover", s.Failover}, {"joined", s.Joined}, {"quarantined", s.Quarantined}, {"founding", s.Founding}, {"primary", s.Primary}, {"open", s.Open}, {"leads", s.LeaseCounts}, {"reads", s.Reads}} {
		if x.on {
			l = append(l, x.name)
		}
	}
	text := fmt.Sprintf("epoch %d boot %d %s", s.Epoch, s.Boot, strings.Join(l, " "))
	text = strings.TrimRight(text, " ")
	if s.Open {
		text += fmt.Sprintf(", %d of%s, %d announced", s.Set.W, nodesText(s.Set.Members), len(s.Tokens))
	}
	return text
}

func nodesText(ids []uint64) (s string) {
	for _, id := range ids {
		s += fmt.Sprintf(" %d", core.NodeID(id))
	}
	return s
}

func orderText(o failover.Order) string {
	branches := func(h []failover.Branch) (s string) {
		for _, b := range h {
			s += fmt.Sprintf(" %d@%d", b.Timeline, b.Begin)
		}
		return s
	}
	switch o := o.(type) {
	case failover.Seal:
		return fmt.Sprintf("seal up to epoch %d, boot %d", o.UpTo, o.Boot)
	case failover.Demote:
		return fmt.Sprintf("demote in epoch %d, boot %d", o.Epoch, o.Boot)
	case failover.SetNames:
		return fmt.Sprintf("names of epoch %d, boot %d: %d of%s, %d announced", o.Epoch, o.Boot, o.W, nodesText(o.Members), len(o.Tokens))
	case failover.Promote:
		return fmt.Sprintf("promote in epoch %d, boot %d, at %d:%s", o.Epoch, o.Boot, o.LSN, branches(o.History))
	case failover.Follow:
		return fmt.Sprintf("follow node %d in epoch %d, boots %d and %d:%s, %d notes", core.NodeID(o.Primary), o.Token.Epoch, o.Token.Boot, o.Token.Follow, branches(o.History), len(o.Notes))
	case failover.Rejoin:
		return fmt.Sprintf("%s from node %d in epoch %d, boot %d:%s", map[bool]string{false: "rejoin", true: "clone"}[o.Clone],
			core.NodeID(o.Primary), o.Epoch, o.Boot, branches(o.History))
	case failover.Compare:
		return fmt.Sprintf("compare the record of node %d, boot %d, at %d of timeline %d", core.NodeID(o.Member), o.Follow, o.Record.LSN, o.Timeline)
	case failover.Checkpoint:
		return fmt.Sprintf("checkpoint in epoch %d, boot %d", o.Epoch, o.Boot)
	case failover.Stop:
		return fmt.Sprintf("stop in epoch %d, boot %d, for request %d", o.Epoch, o.Boot, o.Request)
	case failover.Release:
		return fmt.Sprintf("release, off since epoch %d, boot %d", o.Epoch, o.Boot)
	case failover.Join:
		return fmt.Sprintf("join, epoch %d, boot %d", o.Epoch, o.Boot)
	case failover.Watch:
		return fmt.Sprintf("watch node %d in epoch %d at %s", core.NodeID(o.Member), o.Epoch, o.Address)
	}
	panic(fmt.Sprintf("an order of type %T", o))
}

// failoverVerbs are about PostgreSQL servers. Those that step a node settle at the end,
// unless they say hold.
var failoverVerbs = map[string]func(*script){
	// server node=2 [recovery=no] [sealed=1] [history=(1@0,2@200)] [end=200] ...: its
	// server reports; what is not named is as it was before. follows and names without
	// a value are what was ordered last; senders=(2@200) are nodes and what they flushed.
	"server": func(s *script) {
		n := s.node()
		for _, a := range s.d.CmdArgs {
			if a.Key != "node" && a.Key != "hold" {
				s.serverField(n, a.Key, a.Vals)
			}
		}
		n.step(core.FailoverServer{Server: n.server.says})
		s.settle()
	},
	// port node=2 of=1 epoch=1 [answers] [refuses] [reset]
	"port": func(s *script) {
		s.node().step(core.FailoverPort{Port: failover.Port{Member: s.nodeAt("of").id.RaftID, Epoch: uint64(s.num("epoch", 1)),
			Answers: s.has("answers"), Refuses: s.has("refuses"), Reset: s.has("reset")}})
		s.settle()
	},
	// compared node=1 of=2 [equal]: of that node's boot, as it is now
	"compared": func(s *script) {
		of := s.nodeAt("of")
		s.node().step(core.FailoverCompared{Compared: failover.Compared{Member: of.id.RaftID, Boot: of.starts, Have: true, Equal: s.has("equal")}})
		s.settle()
	},
	// operator node=1 enable=1 [set=(2,3)] [lsn=100] [w=1] [delay=2000]; disable=1; mode=manual
	// [preferred]; quarantine=2; clear=2; begin=2; override=2 [names-nothing], of one who is
	// alone: asks node 1
	"operator": func(s *script) {
		id := s.id()
		s.failoverCalls[id] = true
		s.node().step(core.ProposeFailover{ID: id, RequestID: operatorID(id), Entry: s.operatorEntry()})
		s.settle()
	},
	// join node=1 [all] [nobody]: an operator asks the standbys to join, or node 1, too
	"join": func(s *script) {
		j := failover.JoinStandbys
		switch {
		case s.has("all"):
			j = failover.JoinAll
		case s.has("nobody"):
			j = failover.JoinNobody
		}
		s.node().step(core.FailoverJoin{Joining: j})
		s.settle()
	},
	// epochs: the replicated state, a line for each node
	"epochs": func(s *script) {
		for _, n := range s.all() {
			if n.core != nil {
				s.printf("%d: %s\n", n.key, epochText(n.core.FailoverState()))
			}
		}
	},
}

// operatorID is the request id of an operator's call.
func operatorID(id uint64) (u [16]byte) {
	u[0] = 'o'
	binary.BigEndian.PutUint64(u[8:], id)
	return u
}

func epochText(st failover.State) string {
	e := &st.Epoch
	text := fmt.Sprintf("mode %s, epoch %d %s", [...]string{"off", "founding", "on", "manual"}[st.Mode], e.Number,
		[...]string{"none", "begun", "granted", "forked", "open"}[e.Stage])
	if e.Stage >= failover.StageGranted {
		text += fmt.Sprintf(", primary %d boot %d, timeline %d from %d/%d, set %d of%s", core.NodeID(e.Primary), e.Boot, e.Timeline,
			e.From.Epoch, e.From.LSN, e.Set.W, nodesText(e.Set.Members))
	}
	for _, r := range st.Reports {
		text += fmt.Sprintf(", report of %d: %d/%d", core.NodeID(r.Member), r.Position.Epoch, r.Position.LSN)
	}
	for _, m := range st.Members {
		if m.Quarantined != failover.NotQuarantined {
			text += fmt.Sprintf(", %d is quarantined", core.NodeID(m.ID))
		}
	}
	return text
}

func (s *script) operatorEntry() failover.Entry {
	member := func(name string) uint64 { return s.nodeAt(name).id.RaftID }
	set := failover.DefaultSettings()
	switch {
	case s.has("enable"):
		set.DelayMillis = uint64(s.num("delay", int(set.DelayMillis)))
		set.SyncCount = uint32(s.num("w", 1))
		e := failover.Enable{Epoch: uint64(s.num("enable", 1)), Primary: s.node().id.RaftID, Boot: s.node().starts, System: 7, LSN: uint64(s.num("lsn", 100)),
			History: []failover.Branch{{Timeline: 1}}, Highest: 1, Set: failover.Set{W: set.SyncCount}, Settings: set}
		a, _ := s.d.Arg("set")
		for _, v := range a.Vals {
			e.Set.Members = append(e.Set.Members, s.named(v).id.RaftID)
		}
		return e
	case s.has("disable"):
		return failover.Disable{Epoch: uint64(s.num("disable", 0))}
	case s.has("quarantine"):
		return failover.Quarantine{Member: member("quarantine"), Reason: failover.QuarantinedByOperator}
	case s.has("clear"):
		return failover.Clear{Member: member("clear")}
	case s.has("begin"):
		return failover.Begin{Epoch: uint64(s.num("begin", 0))}
	case s.has("override"):
		st := s.node().core.FailoverState()
		e := failover.Override{Epoch: st.Epoch.Number, Target: member("override")}
		if !s.has("names-nothing") {
			e.Loss = st.Loss(e.Target, []uint64{e.Target})
		}
		return e
	}
	if s.has("preferred") {
		set.Durability = failover.Preferred
	}
	mode := map[string]failover.Mode{"on": failover.ModeOn, "manual": failover.ModeManual}[s.text("mode", "")]
	return failover.Adjust{Mode: mode, Settings: set}
}

func (s *script) named(key string) *node {
	k, err := strconv.ParseUint(key, 10, 32)
	if n := s.nodes[uint32(k)]; err == nil && n != nil {
		return n
	}
	s.d.Fatalf(s.t, "there is no node %s", key)
	return nil
}

// serverField sets one field of what a node's server reports.
func (s *script) serverField(n *node, key string, vals []string) {
	v := &n.server.says
	flags := map[string]*bool{"recovery": &v.Recovery, "stopping": &v.Stopping, "joined": &v.Joined, "untrusted": &v.Untrusted,
		"replay-done": &v.ReplayDone, "streaming": &v.Streaming, "lacks": &v.Lacks}
	numbers := map[string]*uint64{"sealed": &v.Sealed, "end": &v.End, "noted": &v.Noted, "replayed": &v.Replayed, "flushed": &v.Flushed, "fork": &v.Fork, "founded": &v.Founded, "boots": &v.Boots}
	no := len(vals) == 1 && vals[0] == "no"
	switch {
	case flags[key] != nil:
		*flags[key] = !no
		if key == "recovery" && v.Flushed > 0 {
			v.Wrote = !no
		}
	case numbers[key] != nil:
		*numbers[key] = s.parse(vals[0])
	case key == "priority":
		v.Priority = uint32(s.parse(vals[0]))
	case key == "joined-on":
		v.JoinedOn = uint32(s.parse(vals[0]))
	case key == "address":
		v.Address = vals[0]
	case key == "record":
		v.Record = failover.Record{LSN: s.parse(vals[0]), CRC: uint32(s.parse(vals[0]))}
		if v.JoinedOn > 0 { // it may have to prove all of its WAL
			v.Record.From = 1
		}
	case key == "history":
		v.History = nil
		for _, x := range vals {
			t, begin, _ := strings.Cut(x, "@")
			v.History = append(v.History, failover.Branch{Timeline: uint32(s.parse(t)), Begin: s.parse("0" + begin)})
		}
	case key == "follows" && no:
		v.Follows = failover.Token{}
	case key == "follows":
		v.Follows = n.server.token
	case key == "names":
		v.Names = n.server.names
	case key == "senders":
		v.Senders = nil
		for _, x := range vals {
			of, flushed, _ := strings.Cut(x, "@")
			v.Senders = append(v.Senders, failover.Sender{Token: s.named(of).server.says.Follows, Flushed: s.parse(flushed)})
		}
	default:
		s.d.Fatalf(s.t, "a server does not report %q", key)
	}
}

func (s *script) parse(text string) uint64 {
	v, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		s.d.Fatalf(s.t, "%v", err)
	}
	return v
}
