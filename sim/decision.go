package sim

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Decision is one thing that goes wrong: all of a run's bad luck is a list of
// them. They stand on their own: any of them can be left out, and its numbers
// made smaller.
type Decision struct {
	Kind  string        // the name of a Kind
	At    time.Duration // since the start
	For   time.Duration // how long; 0 if Kind is over at once
	Node  uint32        // whom it strikes; 0 = who leads at that moment
	Peer  uint32        // the other end of a link; 0 = all others
	Param int64         // of Kind's own; see its file
}

// String prints d as its kind wants it, and as Parse reads it.
func (d Decision) String() string {
	s := fmt.Sprintf("%v %s node=%d", d.At, d.Kind, d.Node)
	if d.Peer != 0 {
		s += fmt.Sprintf(" peer=%d", d.Peer)
	}
	if d.For != 0 {
		s += fmt.Sprintf(" for=%v", d.For)
	}
	if d.Param != 0 {
		s += fmt.Sprintf(" param=%d", d.Param)
	}
	return s
}

// ParseDecision reads what String printed.
func ParseDecision(s string) (d Decision, err error) {
	words := strings.Fields(s)
	if len(words) < 2 {
		return d, fmt.Errorf("sim: decision %q: want a time and a kind", s)
	}
	if d.At, err = time.ParseDuration(words[0]); err != nil {
		return d, fmt.Errorf("sim: decision %q: %w", s, err)
	}
	if d.Kind = words[1]; KindOf(d.Kind) == nil {
		return d, fmt.Errorf("sim: decision %q: no fault is called %q", s, d.Kind)
	}
	for _, w := range words[2:] {
		name, value, _ := strings.Cut(w, "=")
		switch name {
		case "node":
			_, err = fmt.Sscan(value, &d.Node)
		case "peer":
			_, err = fmt.Sscan(value, &d.Peer)
		case "param":
			_, err = fmt.Sscan(value, &d.Param)
		case "for":
			d.For, err = time.ParseDuration(value)
		default:
			err = fmt.Errorf("nothing is called %q", name)
		}
		if err != nil {
			return d, fmt.Errorf("sim: decision %q: %q: %w", s, w, err)
		}
	}
	return d, nil
}

// Kind is a kind of fault. Each has a file of its own.
type Kind struct {
	Name  string
	Group string // network, disk, process, clock, people, server
	Doc   string
	// draw fills in the target, For and Param; At and Kind are there.
	draw func(s *Stream, o *Options, d *Decision)
	// begin strikes, and says what it did; "" if there was nothing to strike.
	begin func(w *World, s *strike) string
	// end takes it back after For; nil if there is nothing to take back.
	end func(w *World, s *strike)
	// watch is called after each step of a node's core, from when begin put the
	// strike into World.watching until its end; nil for most.
	watch func(w *World, s *strike, n *node)
	// handOver is called when the node of a strike in World.watching is about to send
	// the message that hands leadership over; nil for most.
	handOver func(w *World, s *strike)
	// stage and sent are of faults of several stages; see stage.go.
	stage func(w *World, s *strike)
	sent  func(w *World, s *strike, n *node, p *packet) (held bool)
	// databases: it strikes databases, and is drawn only where there are some.
	databases bool
	// servers: it strikes PostgreSQL servers, and is drawn only where they fail over.
	servers bool
	// alone: it is not drawn there.
	alone bool
	// patient: it comes to nothing unless little else goes wrong for some seconds.
	patient bool
	// most is how many a seed draws at most.
	most int
}

// Kinds are all kinds of faults.
func Kinds() []*Kind {
	return []*Kind{
		&faultLoss, &faultDuplicate, &faultDelay, &faultHold, &faultReorder, &faultReplay, &faultPartition, &faultOneWay,
		&faultIsolate, &faultFlap, &faultTurns, &faultSlowLink, &faultSmallOnly, &faultBandwidth, &faultSnapshotCut,
		&faultSlowSync, &faultStallSync, &faultSyncError, &faultWriteError, &faultDiskFull, &faultCorrupt,
		&faultDirLost, &faultDirOlder, &faultDirOther,
		&faultCrash, &faultCrashInStep, &faultAllDown, &faultPause, &faultSleep, &faultSettings, &faultUpgrade, &faultVersions, &faultDowngrade, &faultRestore, &faultSlowApply,
		&faultDrift,
		&faultAdd, &faultRemove, &faultRemoveDying, &faultReplace, &faultReplaceBy, &faultReplaceCut, &faultTwoChanges, &faultTransfer, &faultTransferLate, &faultTransferLost, &faultCompact, &faultBootstrap, &faultRecover, &faultMistake, &faultSmallBounds,
		&faultOldAnswers, &faultHeldOver, &faultLongTail, &faultCompactJoint, &faultEdgeOfPromise, &faultAged, &faultClosedLeader,
		&faultBusy, &faultBurst,
		&faultAway, &faultDatabaseStops, &faultDatabaseBack, &faultNeedsLost, &faultExportFails, &faultRemoveNeedy, &faultSmallRetention,
		&faultServerDies, &faultBackendCrashes, &faultWALCut, &faultTailAlone, &faultLateOrders, &faultOrderCut, &faultReplayHeld, &faultByHand, &faultImpatient, &faultPrimaryHangs, &faultDiesInFailover,
		&faultSourceDies, &faultHistoryCut, &faultPromotionHeld, &faultOldOrder, &faultApart,
		&faultSyncSettings, &faultPriority, &faultStandbyFrozen, &faultSetChanges, &faultDataBack,
		&faultOperatorWord, &faultFailoverOff, &faultSwitchover,
		&faultMemberJoins, &faultMemberGoes, &faultMemberReplaced, &faultMachineLost, &faultQuorumLost,
	}
}

// KindOf finds a kind by name; nil if there is none.
func KindOf(name string) *Kind {
	all := Kinds()
	if i := slices.IndexFunc(all, func(k *Kind) bool { return k.Name == name }); i >= 0 {
		return all[i]
	}
	return nil
}

// strike is a decision that is carried out: whom it met.
type strike struct {
	Decision
	kind *Kind
	node *node // nil if nobody leads
	life uint32
	peer *node
	over bool
	cut  bool // flap: the link is away at the moment; transfer: it is deaf or stands still; restore, recover: it is done; versions: Peer went back
	// dir-older, database-back: the copies that were made
	copied  *directory
	back    *copied // data-back
	content content
	apart   []*node // who is cut from the others
	handed  bool    // transfer: leadership has been handed over; remove-dying: it was asked for; set-changes: that has happened
	undone  bool    // set-changes: what made the set change is over
	*staged
}

// Plan draws the decisions of a seed: which kinds are on, how often, and each
// one's time, target and parameter. What a kind draws does not depend on which
// others are on.
func Plan(o Options) []Decision {
	o = o.withDefaults()
	first, last := formTime, o.settleAt()
	calm, few := o.isCalm(), o.isOfServers()
	var plan []Decision
	for _, k := range Kinds() {
		if !o.wants(k.Name) || k.databases && !o.HasDatabases() || k.servers && !o.HasFailover() || k.alone && o.HasFailover() {
			continue
		}
		s := For(o.Seed, "plan "+k.Name)
		if k.isAway(&s, calm) || few && k.isAwayBeside(&s, calm) {
			continue
		}
		// Mostly once or twice; how hard is drawn too.
		n := 1 + s.Below(max(1, k.most/4))
		if s.Below(4) == 0 {
			n = 1 + s.Below(k.most)
		}
		for range n {
			d := Decision{Kind: k.Name, At: s.Between(first, last)}
			k.draw(&s, &o, &d)
			d.For = min(d.For, last-d.At)
			plan = append(plan, d)
		}
	}
	slices.SortStableFunc(plan, func(a, b Decision) int { return cmp.Compare(a.At, b.At) })
	return plan
}

// isCalm says that a seed draws few kinds: some combinations take seconds in which nothing
// else goes wrong, which are rare where half of the kinds strike.
func (o Options) isCalm() bool {
	s := For(o.Seed, "calm")
	return s.Below(5) == 0
}

// isAway draws whether a seed goes without the kind: half of them do. A calm one goes
// without seven in eight, and without no patient one.
func (k *Kind) isAway(s *Stream, calm bool) bool {
	half := s.Below(2) == 0
	if calm {
		return !k.patient && (half || s.Below(4) > 0)
	}
	return half
}

// isOfServers says that a run with PostgreSQL servers draws few kinds, and mostly kinds that
// strike them: one seed in three does. What loses a commit there are a few strikes in a row, each
// while the servers are as the one before left them.
func (o Options) isOfServers() bool {
	s := For(o.Seed, "of servers")
	return o.HasFailover() && s.Below(3) == 0
}

// isAwayBeside draws whether such a seed goes without a kind that the others would have: it has
// one in four of those that strike servers, and one in eight of the others.
func (k *Kind) isAwayBeside(s *Stream, calm bool) bool {
	switch {
	case calm:
		return false
	case k.servers:
		return s.Below(2) > 0
	}
	return s.Below(4) > 0
}

// begin carries out a decision.
func (w *World) begin(d *Decision) {
	if w.settled {
		return
	}
	k := w.kinds[d.Kind]
	s := &strike{Decision: *d, kind: k}
	if d.Node == 0 {
		s.node = w.leader()
	} else if int(d.Node) <= len(w.nodes) {
		s.node = w.nodes[d.Node-1]
	}
	if d.Peer != 0 && int(d.Peer) <= len(w.nodes) {
		s.peer = w.nodes[d.Peer-1]
	}
	if s.node == nil || s.peer == s.node {
		return
	}
	s.life = s.node.life
	what := k.begin(w, s)
	if what == "" {
		return
	}
	w.struck++
	w.marks.fault(k.Name)
	w.say(s.node, "FAULT %s: %s", k.Name, what)
	if k.end != nil {
		w.strikes = append(w.strikes, s)
		w.arrange(event{at: w.now + d.For, kind: evEnd, ref: s})
	}
}

// finish takes a fault back, once.
func (w *World) finish(s *strike) {
	if s.over {
		return
	}
	s.over = true
	w.strikes = slices.DeleteFunc(w.strikes, func(x *strike) bool { return x == s })
	w.watching = slices.DeleteFunc(w.watching, func(x *strike) bool { return x == s })
	s.kind.end(w, s)
	w.say(s.node, "end of %s", s.Kind)
}

// links calls f for the links that a decision is about: from node to peer, or to
// and from all others.
func (w *World) strikeLinks(s *strike, f func(*link)) {
	if s.peer != nil {
		f(w.link(s.node, s.peer))
		return
	}
	for _, n := range w.nodes {
		if n != s.node {
			f(w.link(s.node, n))
			f(w.link(n, s.node))
		}
	}
}

// watch shows a node that has stepped to the strikes that wait for something.
func (w *World) watch(n *node) {
	for _, s := range w.watching {
		if s.kind.watch != nil {
			s.kind.watch(w, s, n)
		}
	}
}

// handsOver tells the strikes that wait for it that a leader hands leadership over.
func (w *World) handsOver(n *node) {
	for _, s := range w.watching {
		if s.kind.handOver != nil && s.node == n && s.life == n.life && !s.handed {
			s.handed = true
			s.kind.handOver(w, s)
		}
	}
}

// cutOff cuts the links between some nodes and all others, or mends them.
func (w *World) cutOff(group []*node, by int) {
	for _, a := range group {
		for _, b := range w.nodes {
			if slices.Contains(group, b) {
				continue
			}
			for _, l := range [2]*link{w.link(a, b), w.link(b, a)} {
				if l.cut += by; by > 0 {
					w.breakLater(l)
				}
			}
		}
	}
}

// pair fills in two different nodes.
func (d *Decision) pair(s *Stream, o *Options) {
	d.Node = uint32(s.Int(1, o.Nodes))
	d.Peer = uint32(s.Int(1, max(1, o.Nodes-1)))
	if d.Peer >= d.Node {
		d.Peer++
	}
}

// anyone fills in a node, the leader as often as not.
func (d *Decision) anyone(s *Stream, o *Options) {
	n := s.Int(1, o.Nodes)
	if s.Below(2) == 0 {
		d.Node = uint32(n)
	}
}
