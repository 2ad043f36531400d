package failover

import (
	"cmp"
	"slices"
)

// What an operator who enables failover finds missing, and the entry that enables it once
// nothing is.

// Said is what another member told last, and how long ago that was heard.
type Said struct {
	Member uint64
	Millis uint64
	Told   Told
}

// Said is what the other members have told, by Raft id. It shares memory with the machine,
// which only ever replaces it.
func (m *Machine) Said(now uint64) []Said {
	var l []Said
	for _, p := range m.peers {
		l = append(l, Said{p.id, (now - p.at) * m.cfg.TickMillis, p.told})
	}
	return l
}

// Enabling is what is known on the node that failover is to be enabled on.
type Enabling struct {
	Self   uint64
	Boot   uint64
	System uint64 // the server's system identifier
	State  *State
	Server *Server // nil: it was not reported yet
	Place  Place
	Heard  []uint64 // the members whom this node's core hears
	Said   []Said
	// From is from which LSN on this server keeps its WAL for the others.
	From uint64
	// SilentMillis is for how long what a member said counts.
	SilentMillis uint64
}

// Lack is what is missing on a member, or, with Member 0, of the cluster.
type Lack struct {
	Member uint64
	Reason Lacking
}

// Lacking is what can be missing.
type Lacking uint8

const (
	LackServer Lacking = iota
	LackPrimary
	LackAway
	LackPart
	LackRecovery
	LackTrust
	LackQuarantine
	LackPriority
	LackVote
	LackStop
	LackStandbys
	LackJoined
	LackRestartpoint
	lackings // how many there are
)

// String says it for people, after the member's name.
func (l Lacking) String() string {
	switch l {
	case LackServer:
		return "has not looked at its server yet"
	case LackPrimary:
		return "has a server in recovery: failover is enabled on the one that takes writes"
	case LackAway:
		return "is not there"
	case LackPart:
		return "takes no part in failover: set \"pgraft.failover\" to on there and restart the server"
	case LackRecovery:
		return "has a server that is not in recovery: there can be one that takes writes"
	case LackTrust:
		return "has data that is older than it was, or a copy: make it anew from the primary"
	case LackQuarantine:
		return "is quarantined: clear that once its data was looked at"
	case LackPriority:
		return "has \"pgraft.failover_priority\" 0"
	case LackVote:
		return "does not vote yet"
	case LackStop:
		return "has a server that is being stopped"
	case LackStandbys:
		return "there are fewer standbys on the primary's timeline than sync_count"
	case LackJoined:
		return "has not noted yet that it takes part"
	case LackRestartpoint:
		return "has made no restartpoint since the primary's last checkpoint: it is behind, or its replay is held"
	}
	return "unknown"
}

// said is what a member has told lately, nil if it has not; ever says that it has at all.
func (x *Enabling) said(id uint64) (t *Told, ever bool) {
	i := slices.IndexFunc(x.Said, func(s Said) bool { return s.Member == id })
	if i < 0 {
		return nil, false
	}
	if x.Said[i].Millis < x.SilentMillis {
		t = &x.Said[i].Told
	}
	return t, true
}

// EnablingSettings are those with which failover is enabled: of the time before, or those that
// nobody has changed.
func (s *State) EnablingSettings() Settings {
	if s.Epoch.Number == 0 {
		return DefaultSettings()
	}
	return s.Settings
}

// Passes says that what is missing may come by itself: a member that has just started has not
// said yet what it is.
func (l Lacking) Passes() bool {
	return l == LackServer || l == LackAway || l == LackPart || l == LackStandbys
}

// Lacks lists what is missing before servers are asked to join; on a standby nothing else is
// looked at.
func (x *Enabling) Lacks() (l []Lack) {
	if x.Server != nil && x.Server.Recovery {
		return []Lack{{x.Self, LackPrimary}}
	}
	for _, id := range x.Place.Members {
		why, lacks := x.lacksOf(id)
		if id == x.Self {
			why, lacks = x.lacksHere()
		}
		if lacks {
			l = append(l, Lack{id, why})
		}
	}
	if len(l) == 0 && len(x.standbys(false)) < int(x.count()) {
		l = append(l, Lack{0, LackStandbys})
	}
	return l
}

// count is how many standbys there have to be.
func (x *Enabling) count() uint32 {
	s := x.State.EnablingSettings()
	if s.Durability != Required {
		return 0
	}
	return s.SyncCount
}

func (x *Enabling) lacksHere() (Lacking, bool) {
	m, v := x.State.Member(x.Self), x.Server
	switch {
	case v == nil:
		return LackServer, true
	case v.Stopping:
		return LackStop, true
	case v.Priority == 0:
		return LackPriority, true
	case m != nil && m.Quarantined != NotQuarantined:
		return LackQuarantine, true
	case !slices.Contains(x.Place.Voters, x.Self):
		return LackVote, true
	}
	return 0, false
}

// lacksOf is that of another member. A witness has no server.
func (x *Enabling) lacksOf(id uint64) (Lacking, bool) {
	m := x.State.Member(id)
	t, ever := x.said(id)
	switch {
	case !slices.Contains(x.Heard, id) || t == nil && ever:
		return LackAway, true
	case t == nil:
		return LackPart, true
	case !t.Server:
		return 0, false
	case !t.Recovery:
		return LackRecovery, true
	case t.Untrusted:
		return LackTrust, true
	case m != nil && m.Quarantined != NotQuarantined:
		return LackQuarantine, true
	}
	return 0, false
}

// standbys are those that can follow at once: with a server on this one's timeline. joined
// says that they have noted that they take part, and may be in a sync set.
func (x *Enabling) standbys(joined bool) []uint64 {
	var ids []uint64
	for _, id := range x.Place.Voters {
		t, _ := x.said(id)
		if id == x.Self || t == nil || !t.Server || t.Timeline != x.Server.timeline() {
			continue
		}
		if !joined || x.State.Electable(id, x.Place.Voters) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, cmp.Compare[uint64])
	return ids
}

// Unjoined lists the servers that have not joined yet, as the log knows: this node's, too,
// where all says so; and the standbys on its timeline that it has not all WAL of from their
// restartpoint on.
func (x *Enabling) Unjoined(all bool) (l []Lack) {
	for _, id := range x.Place.Members {
		t, _ := x.said(id)
		m := x.State.Member(id)
		switch {
		case id == x.Self && (!all || x.Server.joined() && m != nil && m.Joined):
		case id != x.Self && (t == nil || !t.Server):
		case id != x.Self && m != nil && m.Joined && m.Boot == t.Boot:
			if t.Timeline == x.Server.timeline() && t.Checkpoint < x.From {
				l = append(l, Lack{id, LackRestartpoint})
			}
		default:
			l = append(l, Lack{id, LackJoined})
		}
	}
	return l
}

// Enable is the entry, and why it would be void as things are: asked before this node's server
// joins, as that one is to join for nothing last.
func (x *Enabling) Enable() (Enable, Void) {
	s := x.State.Clone()
	settings := s.EnablingSettings()
	e := Enable{Epoch: s.Epoch.Number + 1, Primary: x.Self, Boot: x.Boot, System: x.System, LSN: x.Server.Flushed,
		History: slices.Clone(x.Server.History), Highest: x.Server.timeline(), Settings: settings}
	for i := range x.Said {
		e.Highest = max(e.Highest, x.Said[i].Told.Timeline)
	}
	e.Set.Members = x.standbys(true)
	e.Set.W = min(settings.SyncCount, uint32(len(e.Set.Members)))
	me := Member{ID: x.Self, Address: x.Server.Address, Data: true, Joined: true, Priority: x.Server.Priority, Boot: x.Boot}
	s.Members = put(s.Members, me, func(m Member) uint64 { return m.ID })
	return e, s.Apply(e, x.Place).Void
}
