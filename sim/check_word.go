package sim

import (
	"slices"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/sim/postgres"
)

// What the checkers know of an operator's word: what was given up, and who writes where
// failover is off.

// isGivenUp says that the log has it, as a server knows it, that what was acknowledged in an
// epoch may be lost: an override for a later one has given something up.
func (c *checks) isGivenUp(v *server, txn, in uint64) bool {
	r := &c.w.servers.reigns
	if _, ok := r.given[txn]; ok {
		return true
	}
	if p := overridden(c.w.servers.past(), in, v.shared.Epoch); p > 0 {
		c.w.say(v.n, "transaction %d, acknowledged in epoch %d, is given up for epoch %d", txn, in, p)
		c.w.marks.add(markWordGivenUp)
		r.given[txn] = p
		return true
	}
	return false
}

// overridden is the first epoch behind one, up to another, for which an override has given
// something up; 0: there is none.
func overridden(past []failover.Past, behind, upTo uint64) uint64 {
	for _, p := range past {
		if p.Epoch > behind && p.Epoch <= upTo && !p.Loss.None() {
			return p.Epoch
		}
	}
	return 0
}

// keepsWhatIsAcked: a server that is promoted has all that was acknowledged in epochs
// before, but for what the log gives up already.
func (c *checks) keepsWhatIsAcked(v *server) {
	w, r := c.w, &c.w.servers.reigns
	s := w.servers.newest()
	c.hasTheWord(v, &s)
	if n := len(s.Past); n > 0 && s.Past[n-1].GivenUp > 0 {
		return // async: it is looked at as the epoch opens
	}
	opened := final(&s)
	var has map[uint64]bool
	for txn := uint64(1); txn <= w.servers.txns; txn++ {
		a, ok := r.acked[txn]
		if !ok || a.epoch >= v.shared.Epoch {
			continue
		}
		if has == nil {
			has = c.transactions(v)
		}
		if !has[txn] && !c.isGivenUp(v, txn, a.epoch) && !recorded(opened, a, v.shared.Epoch, w.servers.settings.MaximumLag) {
			w.fail(checkServerWord, "%v is promoted in epoch %d without transaction %d, acknowledged in epoch %d by %v, and the log does not give that up", v.n, v.shared.Epoch, txn, a.epoch, a.server.n)
		}
	}
}

// final are the epochs of the history that gave up what they lack: one that opened in the log,
// whether anybody saw it serve or not, and one on whose timeline the last epoch is that did.
// So it is where failover was disabled before that one opened: its primary goes on.
func final(s *failover.State) []failover.Past {
	last := uint32(0)
	for _, f := range s.Forks {
		if f.Epoch == s.Last.Number {
			last = f.Timeline
		}
	}
	goesOn := s.History(last)
	return slices.DeleteFunc(slices.Clone(s.Past), func(p failover.Past) bool {
		_, on := failover.Ends(goesOn, p.Timeline)
		return p.Opened == 0 && !(on && p.Epoch <= s.Last.Number)
	})
}

// hasTheWord: what the log gives up for the newest epoch an override has named before; and in
// manual it is the last primary's, or whom an operator has named.
func (c *checks) hasTheWord(v *server, s *failover.State) {
	w, e := c.w, &s.Epoch
	if n := len(s.Past); n == 0 || s.Past[n-1].Epoch != e.Number || e.Stage < failover.StageGranted || e.From.Epoch == e.Number {
		return
	}
	lost := &s.Past[len(s.Past)-1].Loss
	if !lost.None() {
		w.marks.add(markOverridden)
	}
	named := w.servers.reigns.named[e.Number]
	for _, id := range lost.Missing {
		if !slices.Contains(named.Missing, id) {
			w.fail(checkServerWord, "%v is promoted in epoch %d, which gives up what member %x has, and no operator has named it", v.n, e.Number, id)
		}
	}
	for _, r := range lost.Greater {
		if !slices.ContainsFunc(named.Greater, func(x failover.Reported) bool {
			return x.Member == r.Member && x.Position.Compare(r.Position) >= 0
		}) {
			w.fail(checkServerWord, "%v is promoted in epoch %d, which gives up what member %x has reported, and no operator has named it", v.n, e.Number, r.Member)
		}
	}
	granted := s.Past[len(s.Past)-1].Granted
	if s.Mode == failover.ModeManual && e.Primary != s.Last.Primary && granted > w.servers.reigns.manual && !c.isNamed(e, granted) {
		w.fail(checkServerWord, "%v is promoted in epoch %d, in manual, and no operator has named it", v.n, e.Number)
	}
}

// isNamed says that an operator has named the primary of an epoch before it was granted, at an
// index: with the word that stands, or one in whose place another came since, which is for
// the next epoch.
func (c *checks) isNamed(e *failover.Epoch, granted uint64) bool {
	if e.Ask.Index <= granted {
		return e.Ask.Target == e.Primary
	}
	for index, target := range c.w.servers.reigns.words {
		if target == e.Primary && index < granted {
			return true
		}
	}
	return false
}

// hearsTheWord notes what an override names, and where the mode was set last, as an entry
// gets into a log.
func (c *checks) hearsTheWord(e *core.Entry) {
	if c.w.servers == nil {
		return
	}
	r := &c.w.servers.reigns
	switch x := failoverEntry(e).(type) {
	case failover.Override:
		n := r.named[x.Epoch]
		n.Missing = append(n.Missing, x.Loss.Missing...)
		n.Greater = append(n.Greater, x.Loss.Greater...)
		r.named[x.Epoch] = n
		r.words[e.Index] = x.Target
	case failover.Request:
		r.words[e.Index] = x.Target
	case failover.Adjust:
		r.manual = e.Index
	}
}

// acksPlainly: where failover was on and is off, no two servers write. What they acknowledge
// is as safe as PostgreSQL has it.
func (c *checks) acksPlainly(v *server, e postgres.Event) {
	for _, x := range c.w.servers.data() {
		if x != v && x.plain() {
			c.w.fail(checkServerOne, "%v acknowledges transaction %d, and %v takes writes, too: failover is off", v.n, e.Txn, x.n)
		}
		if x != v && x.serves() && x.leased() {
			c.w.fail(checkServerOne, "%v acknowledges transaction %d as failover is off, and %v may acknowledge in epoch %d", v.n, e.Txn, x.n, x.shared.Epoch)
		}
	}
}

// areTold: where failover is off, a server of which one note is left boots fenced each time. It
// is told, or its node says why not.
func (c *checks) areTold() {
	for _, v := range c.w.servers.data() {
		c.isTold(v, v.n.core != nil && v.n.core.FailoverState().Mode == failover.ModeOff)
	}
}

func (c *checks) isTold(v *server, off bool) {
	w := c.w
	if !off || v.apart || v.n.state != running || v.n.paused > 0 || v.pg.Phase() == postgres.Down || v.data.Joined == v.store.Joined ||
		len(v.doing) > 0 || v.why.Reason != failover.Nothing {
		v.notedSince = w.now
	}
	if w.now-v.notedSince > reasonless {
		w.fail(checkServerWhy, "failover is off, %v takes part by one note since %v, and is not told", v.n, v.notedSince)
	}
}

// past is the history of epochs, and newest all that the log has of failover, as the node has
// it that has applied most.
func (x *servers) past() []failover.Past { return x.newest().Past }

func (x *servers) newest() (s failover.State) {
	most := uint64(0)
	for _, v := range x.all {
		if c := v.n.core; c != nil && !v.n.foreign() && c.Status().Applied >= most {
			most, s = c.Status().Applied, c.FailoverState()
		}
	}
	return s
}
