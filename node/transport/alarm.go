package transport

import (
	"bytes"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
)

// alarmKept is how long an alarm outlives its last cause. Who is refused dials
// again sooner, see Config.RefusedBackoffMax.
const alarmKept = 3

// alarm is why a node is suspected not to be the member that others know, for as
// long as handshakes say so.
type alarm struct {
	kind        core.Alarm
	first, last time.Time // cause in a row
}

func (a *alarm) raise(kind core.Alarm, now time.Time, cfg *Config) {
	if kind == core.NoAlarm {
		return
	}
	if a.get(now, cfg) == core.NoAlarm && a.ended(now, cfg) || a.kind != kind {
		*a = alarm{kind: kind, first: now}
	}
	a.last = now
}

func (a *alarm) ended(now time.Time, cfg *Config) bool {
	return now.Sub(a.last) > alarmKept*cfg.RefusedBackoffMax
}

// get is what to show. A member that has restarted looks like a copy of itself
// until TCP gives its old connection up.
func (a *alarm) get(now time.Time, cfg *Config) core.Alarm {
	if a.ended(now, cfg) || a.kind == core.Copy && a.last.Sub(a.first) < cfg.DeadTimeout {
		return core.NoAlarm
	}
	return a.kind
}

// ourselves says that process is this one: a node that was removed and added
// again dials its former self while its log is behind.
func (t *Transport) ourselves(process []byte) bool { return bytes.Equal(process, t.process) }

// accused says whom a handshake that was refused raises an alarm about. toReplica
// is what the dialler expected to meet, speaks what it said of its versions.
func accused(toReplica []byte, speaks core.Range, w *corepb.Welcome) (dialler, acceptor core.Alarm) {
	switch {
	case w.GetRefusal() == corepb.Refusal_OTHER_PROTOCOL && speaks.TooOld(core.WelcomeRange(w)):
		return core.TooOld, core.NoAlarm
	case w.GetRefusal() == corepb.Refusal_OTHER_PROTOCOL && core.WelcomeRange(w).TooOld(speaks):
		return core.NoAlarm, core.TooOld
	case w.GetRefusal() == corepb.Refusal_DUPLICATE:
		return core.Copy, core.NoAlarm
	case w.GetRefusal() != corepb.Refusal_OTHER_REPLICA:
		return core.NoAlarm, core.NoAlarm
	case len(toReplica) != 0 && !bytes.Equal(toReplica, w.GetReplica()):
		return core.NoAlarm, core.OtherReplica
	}
	return core.OtherReplica, core.NoAlarm
}

// greeted notes what the handshake of a connection that this node accepted says of
// both nodes. Without a refusal the dialler has found the replica that it looked for.
func (t *Transport) greeted(hello *corepb.Hello, w *corepb.Welcome) {
	if t.ourselves(hello.GetProcess()) {
		return
	}
	dialler, self := accused(hello.GetToReplica(), core.HelloRange(hello), w)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.raise(hello.GetFromRaftId(), dialler)
	t.self.raise(self, time.Now(), &t.cfg)
	if w.GetRefusal() == corepb.Refusal_NONE && len(hello.GetToReplica()) != 0 && t.self.kind == core.OtherReplica {
		t.self = alarm{}
	}
}

// raise notes an alarm about a member. Under t.mu.
func (t *Transport) raise(raftID uint64, kind core.Alarm) {
	if p := t.peers[raftID]; p != nil {
		p.alarm.raise(kind, time.Now(), &t.cfg)
	}
}

// Alarm is what handshakes say of this node.
func (t *Transport) Alarm() core.Alarm {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.self.get(time.Now(), &t.cfg)
}

// suspectError is why a connection did not come about, with an alarm about the
// other node.
type suspectError struct {
	kind core.Alarm
	text string
}

func (e *suspectError) Error() string { return e.text }
