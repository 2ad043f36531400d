package main

import (
	"context"
	"fmt"
	"time"
)

// need is what a kind of fault takes.
type need int

const (
	root   need = 1 << iota // cuts, small disks
	strace                  // the command
	three                   // servers: one may be away for long
	seat                    // a witness
	client                  // PostgreSQL's client programs
	named                   // by -faults: what is a hand's work shows rows that nobody counts
)

// role is who a fault is done to, as it begins.
type role int

const (
	anyone role = iota // the primary, a standby or the witness
	server             // the primary, or a standby
	primary
	standby
	voter // the witness
)

// fault is one kind. begin is given the node that it is done to, and how long it lasts; end is
// called then, and may be nil. An error says that it could not be done, which says nothing about
// the cluster.
type fault struct {
	name  string
	on    role
	needs need
	still bool // server processes may be away, stand still or be slow
	begin func(w *world, ctx context.Context, at *member, lasts time.Duration) error
	end   func(w *world, ctx context.Context, at *member) error
}

// faults are the kinds. Each is in the tables of the report by its name.
var faults = []fault{
	{"kill server", server, 0, true, killServer, startServer},
	{"kill postmaster", server, 0, true, killPostmaster, startServer},
	{"kill engine", server, 0, true, killEngine, nil},
	{"kill backend", server, 0, true, killBackend, nil},
	{"stop server", server, 0, true, stopServer, goOn},
	{"stop engine", server, 0, false, stopEngine, goOn},
	{"stop walsender", primary, 0, true, stopWalsender, goOn},
	{"stop walreceiver", standby, 0, true, stopWalreceiver, goOn},
	{"restart, fast", server, 0, true, shutFast, startServer},
	{"restart, immediate", server, 0, true, shutImmediate, startServer},

	{"cut: all", server, root, false, cutAll, healCut},
	{"cut: in", server, root, false, cutIn, healCut},
	{"cut: out", server, root, false, cutOut, healCut},
	{"cut: a pair", server, root, false, cutPair, healCut},
	{"cut: Raft", server, root, false, cutRaft, healCut},
	{"cut: streams", primary, root, false, cutStreams, healCut},
	{"cut: witness", voter, root | seat, false, cutAll, healCut},
	{"cut: all, then kill", primary, root, true, cutAndKill, startServer},
	{"cut: streams, then kill", primary, root, true, cutStreams, killAndStart},
	{"packet loss", server, root, false, losePackets, healCut},
	{"disk full", server, root, true, fillDisk, emptyDisk},
	{"disk slow", server, root | strace, true, slowDisk, endSlowDisk},

	{"kill witness", voter, seat, false, killWitness, startWitness},
	{"stop witness", voter, seat, false, stopWitness, goOnWitness},

	{"switchover", standby, 0, true, switchOver, nil},
	{"operator's failover", standby, 0, true, failOver, nil},
	{"priority 0", server, three, false, priorityZero, priorityBack},
	{"member removed", standby, three, true, removeMember, addMember},
	{"names reset", primary, 0, false, resetNames, nil},
	{"names reset, cut: streams, then kill", primary, root, true, resetAndCut, killAndStart},
	{"impostor, cut: streams, then kill", primary, root | client | named, true, impostor, endImpostor},
	{"rejoin killed", primary, 0, true, divergeAndKillRejoin, startServer},
}

// do begins a fault, waits, and ends it.
func (w *world) do(ctx context.Context, s step) {
	at := w.target(s)
	if at == nil {
		return
	}
	from := w.history.now()
	w.say("%s on node %d, for %v", s.fault.name, at.NodeID, s.lasts)
	err := s.fault.begin(w, ctx, at, s.lasts)
	if err != nil { // what was begun is mended after the round
		w.say("%s on node %d: %v", s.fault.name, at.NodeID, firstLine(err))
	} else {
		pause(ctx, s.lasts)
	}
	if err == nil && s.fault.end != nil {
		if err := s.fault.end(w, ctx, at); err != nil {
			w.say("the end of %s on node %d: %v", s.fault.name, at.NodeID, firstLine(err))
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.windows = append(w.windows, window{s.fault.name, at.NodeID, s.fault.still, from, w.history.now()})
}

// target is the node of a step: roles are those of this instant.
func (w *world) target(s step) *member {
	standbys := w.standbys()
	switch {
	case s.role == voter:
		return &member{Server: w.witness.at}
	case s.role == primary || len(standbys) == 0:
		return w.primary()
	}
	return standbys[s.which%len(standbys)]
}

// still says whether a server could not run freely at some time of these, by what was done to it. A
// moment later it may still be busy with that.
func (w *world) still(node int, from, to time.Duration) bool {
	const after = 5 * time.Second
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, x := range w.windows {
		if x.Still && x.Node == node && x.From <= to && x.To+after >= from {
			return true
		}
	}
	return false
}

func (x need) String() string {
	switch {
	case x&root != 0:
		return "root"
	case x&strace != 0:
		return "the command strace"
	case x&three != 0:
		return "three servers"
	case x&seat != 0:
		return "a witness"
	case x&client != 0:
		return "the command " + receivewal
	case x&named != 0:
		return "to be named"
	}
	return fmt.Sprintf("%d", int(x))
}
