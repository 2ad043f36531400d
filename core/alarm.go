package core

import (
	"fmt"
	"math"

	"go.etcd.io/raft/v3"

	"github.com/pgraft/pgraft/core/corepb"
)

// Alarm says why a node is not the member that its cluster counts on. A core finds
// out about LostData only; a host, about the others, when nodes greet each other.
type Alarm uint8

const (
	NoAlarm      = Alarm(corepb.Alarm_ALARM_NONE)
	LostData     = Alarm(corepb.Alarm_ALARM_LOST_DATA)     // its log lacks entries that it had acknowledged
	OtherReplica = Alarm(corepb.Alarm_ALARM_OTHER_REPLICA) // its data directory is not the member's: it was emptied or exchanged
	Copy         = Alarm(corepb.Alarm_ALARM_COPY)          // another process runs with the same data
	Wiped        = Alarm(corepb.Alarm_ALARM_WIPED)         // its data directory is empty, and was not
	TooOld       = Alarm(corepb.Alarm_ALARM_TOO_OLD)       // its build does not know the cluster's version
)

func (a Alarm) String() string {
	names := [...]string{"none", "lost data", "other replica", "copy", "wiped", "too old"}
	if int(a) < len(names) {
		return names[a]
	}
	return fmt.Sprintf("alarm %d", uint8(a)) // of a later version
}

// lostData notes that this node's log lacks entries that it acknowledged. From then on
// the node elects nobody. It logs once how that was found out.
func (c *Core) lostData(how string, a ...any) {
	if !c.lost {
		c.event(Warning, how+": this node lost acknowledged data; remove it, empty its data_dir, add it again", a...)
	}
	c.lost = true
}

// alarm is what this node knows of itself.
func (c *Core) alarm() Alarm {
	if c.lost {
		return LostData
	}
	return NoAlarm
}

// tellLoss tells the leader, whose heartbeats are not answered any more, why. It is
// not taken for a sign of life. Once in an election timeout is enough.
func (c *Core) tellLoss(leader uint64) {
	if c.lossTold != 0 && c.now < c.lossTold+uint64(c.cfg.ElectionTicks) {
		return
	}
	c.lossTold = max(c.now, 1)
	c.send(&corepb.Envelope{To: leader, Body: &corepb.Envelope_LostData{LostData: &corepb.LostData{}}})
}

// alarmOf is what this node knows of a member: by itself if it leads, otherwise by
// what the leader said last.
func (c *Core) alarmOf(id uint64) Alarm {
	p := c.peers.of(id)
	switch {
	case id == c.self:
		return c.alarm()
	case p == nil:
		return NoAlarm
	case c.lead == c.self:
		return p.alarm
	}
	return alarmSaid(p.contact.GetAlarm())
}

// alarmSaid is the alarm that another node has sent; a number out of range becomes the
// nearest one.
func alarmSaid(a corepb.Alarm) Alarm { return Alarm(min(max(a, 0), math.MaxUint8)) }

// addedByOther says that from became a member by a change that this leader's log lacks.
// Only a leader makes changes, so this node's log is an old copy. That is
// certain only once it has applied all that was committed before its term.
func (c *Core) addedByOther(from uint64) bool {
	return c.role == raft.StateLeader && c.onlyVoter() && c.machine.term == c.hard.Term &&
		Incarnation(from) > c.members.LastIncarnation
}
