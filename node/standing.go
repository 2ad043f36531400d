package node

import (
	"fmt"
	"slices"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/failover"
)

// Standing is what a member's server is in the failover of its cluster, as pgraft_stat_failover
// and pages on HTTP show it.
type Standing struct {
	RaftID      uint64
	Role, State string
	Epoch       uint64  // the newest; 0: there is none
	Timeline    uint32  // of its last WAL; 0: not known, and neither is Position
	Position    uint64  // how far its WAL reaches
	Lag         *uint64 // bytes behind the primary; nil: not known, or it is no standby
	InSyncSet   bool
	Electable   bool
	WhyNot      string // why it does not serve, or cannot become the primary; empty: nothing is known
}

// What Standing says of roles and states, where somebody decides by it.
const (
	RolePrimary      = "primary"
	RoleStandby      = "standby"
	RoleWitness      = "witness"
	StateStreaming   = "streaming"
	StateWaiting     = "waiting"
	StateSealed      = "sealed"
	StateReported    = "reported"
	StateQuarantined = "quarantined"
	StateOff         = "failover is off"
)

// Standings has one for each member, on a node that takes part; on any other there is none.
func (f *Failover) Standings() (all []Standing) {
	if f.Boot == 0 {
		return nil
	}
	st := &f.State
	reached, known := primaryEnd(f)
	for _, m := range f.Members {
		id := m.Member.GetRaftId()
		s := knownOf(f, id)
		x := Standing{RaftID: id, Role: roleOf(st, id, &s), Epoch: st.Epoch.Number, Electable: st.Electable(id, f.Voters), WhyNot: whyNot(f, id, &s),
			InSyncSet: st.Epoch.Stage >= failover.StageForked && st.Epoch.Set.Has(id)}
		x.State = stateOf(f, id, x.Role, &s)
		if s.there && s.timeline > 0 {
			x.Timeline, x.Position = s.timeline, s.end
		}
		if s.there && s.recovery && known {
			x.Lag = new(reached - min(reached, s.end))
		}
		all = append(all, x)
	}
	return all
}

// serverSeen is what a node knows of a member's server: of its own by its host, of another's by
// what that member has told.
type serverSeen struct {
	known, there, recovery, stopping, untrusted bool
	timeline                                    uint32
	sealed, end                                 uint64
}

func knownOf(f *Failover, id uint64) serverSeen {
	if id == f.RaftID {
		v := f.Server
		if v == nil {
			return serverSeen{known: f.Boot > 0}
		}
		s := serverSeen{known: true, there: true, recovery: v.Recovery, stopping: v.Stopping, untrusted: v.Untrusted, sealed: v.Sealed, end: v.End}
		if n := len(v.History); n > 0 {
			s.timeline = v.History[n-1].Timeline
		}
		return s
	}
	t := f.Told(id)
	if t == nil {
		return serverSeen{}
	}
	return serverSeen{known: true, there: t.Server, recovery: t.Recovery, stopping: t.Stopping, untrusted: t.Untrusted, timeline: t.Timeline, sealed: t.Sealed, end: t.End}
}

// primaryEnd is how far the WAL of the server that takes writes reaches.
func primaryEnd(f *Failover) (end uint64, known bool) {
	id := f.Primary()
	if id == 0 {
		id = f.TakesWrites()
	}
	if id == 0 {
		return 0, false
	}
	s := knownOf(f, id)
	return s.end, s.there && !s.recovery
}

// roleOf is what a member is to the newest epoch. Where failover is off it is what its server
// is.
func roleOf(st *failover.State, id uint64, s *serverSeen) string {
	m := st.Member(id)
	switch e := &st.Epoch; {
	case e.Stage >= failover.StageGranted && e.Primary == id:
		return RolePrimary
	case s.known && !s.there && (m == nil || !m.Data):
		return RoleWitness
	case st.Mode == failover.ModeOff && s.there && !s.recovery:
		return RolePrimary
	case s.there || m != nil && m.Data:
		return RoleStandby
	}
	return "unknown"
}

// stateOf is how far it has come as that.
func stateOf(f *Failover, id uint64, role string, s *serverSeen) string {
	st := &f.State
	m, e := st.Member(id), &st.Epoch
	switch {
	case m != nil && m.Quarantined != failover.NotQuarantined:
		return StateQuarantined
	case !s.known:
		return "away"
	case role == RoleWitness:
		return "running"
	case !s.there:
		return "down"
	case s.stopping:
		return "stopping"
	case st.Mode == failover.ModeOff:
		return StateOff
	case s.untrusted:
		return "untrusted"
	case role == RolePrimary:
		return [...]string{failover.StageGranted: "promoting", failover.StageForked: "opening", failover.StageOpen: "serving"}[e.Stage]
	case !s.recovery:
		return "demoting"
	case e.Stage == failover.StageBegun && st.Report(id) != nil:
		return StateReported
	case e.Stage == failover.StageBegun && s.sealed+1 >= e.Number:
		return StateSealed
	case announced(f, id):
		return StateStreaming
	}
	return StateWaiting
}

// announced says that the primary counts what a member streams.
func announced(f *Failover, id uint64) bool {
	e := &f.State.Epoch
	var tokens []failover.Token
	if e.Primary == f.RaftID && f.Server != nil {
		for _, x := range f.Server.Senders {
			tokens = append(tokens, x.Token)
		}
	} else if t := f.Told(e.Primary); t != nil {
		tokens = t.Announced
	}
	for _, t := range tokens {
		if t.Member == id && t.Epoch == e.Number {
			return true
		}
	}
	return false
}

// diverged says that the WAL of a member's server is no part of the newest epoch's. Of one that is
// away it is what that member told last.
func diverged(f *Failover, id uint64, s *serverSeen) bool {
	timeline, end, recovery := s.timeline, s.end, s.recovery
	if i := slices.IndexFunc(f.Said, func(x failover.Said) bool { return x.Member == id }); !s.known && i >= 0 {
		t := &f.Said[i].Told
		timeline, end, recovery = t.Timeline, t.End, t.Recovery
	}
	e := &f.State.Epoch
	if e.Stage < failover.StageForked || e.Primary == id || !recovery || timeline == 0 {
		return false
	}
	history := f.State.History(e.Timeline)
	last, has := failover.Ends(history, timeline)
	return len(history) > 0 && (!has || end > last)
}

// whyNot is Standing.WhyNot.
func whyNot(f *Failover, id uint64, s *serverSeen) string {
	st := &f.State
	m := st.Member(id)
	switch {
	case m != nil && m.Quarantined != failover.NotQuarantined:
		return fmt.Sprintf("%v: %s", m.Quarantined, m.Quarantined.WayOut())
	case !s.known && diverged(f, id, s):
		return "it is away, and its WAL had diverged when it was heard last: its data may be being made anew"
	case !s.known:
		return "it is away, or takes no part in failover"
	case id == f.RaftID && f.Why.Reason != failover.Nothing && !waitsForPrimary(f):
		return failover.WhyText(f.Why)
	case id == f.Lead && id == f.RaftID && f.Nobody.Reason != failover.Nothing:
		return failover.WhyText(f.Nobody)
	case id == f.RaftID && waitsForPrimary(f):
		return fmt.Sprintf("the primary is away: node %d", core.NodeID(st.Epoch.Primary))
	case !s.there && (m == nil || !m.Data):
		return ""
	case !s.there:
		return "its server is down"
	case diverged(f, id, s):
		return "its WAL has diverged from the primary's: its data has to be made anew, and its log says what becomes of that"
	case m == nil || !m.Joined:
		return failover.LackJoined.String()
	case m.Priority == 0:
		return failover.LackPriority.String()
	case s.untrusted:
		return failover.LackTrust.String()
	case !st.Electable(id, f.Voters):
		return failover.LackVote.String()
	}
	return ""
}

// waitsForPrimary says that this node's server waits for the primary to say something of it, and that
// one is away: what the cluster does without it is to be said.
func waitsForPrimary(f *Failover) bool {
	return f.Why.Reason == failover.NotAnnounced && !knownOf(f, f.State.Epoch.Primary).known
}
