package sim

import (
	"maps"
	"slices"
	"time"

	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/sim/postgres"
)

// The next epoch is judged by the sync set that the log has in force as it begins. So what
// clients were told of, and what sessions saw, has to be on W of that set at every instant,
// whoever has applied it yet: else it hangs on luck whether a later primary has it.

// inForce is the set that the log has in force, as far as any node has applied it, and what
// was told of its epoch.
type inForce struct {
	applied  uint64
	epoch    failover.Epoch
	settings failover.Settings
	pending  time.Duration              // since when its primary could have settled the change under way
	number   uint64                     // of that decision
	wish     map[uint64]time.Duration   // by member: since when its primary could have taken it out
	told     map[uint64]postgres.Record // by transaction: acknowledged, or seen on the primary
	commits  map[uint64]postgres.Record // by transaction: its commit, visible there
}

// setInForce looks at a set that comes into force: all that was told counts for it, too.
func (c *checks) setInForce(n *node) {
	x := &c.w.servers.reigns.inForce
	if n.core == nil || n.core.Status().Applied <= x.applied {
		return
	}
	x.applied = n.core.Status().Applied
	was, before, s := x.epoch, x.settings, n.core.FailoverState()
	c.namesMembers(n, &s)
	x.settings = s.Settings
	if x.epoch = s.Epoch; s.Last.Number == s.Epoch.Number {
		x.epoch.Set = s.Last.Set // by which the next one is judged
	}
	if x.epoch.Number != was.Number {
		x.told, x.commits = map[uint64]postgres.Record{}, map[uint64]postgres.Record{}
		return
	}
	if x.epoch.SetVersion == was.SetVersion || s.Mode == failover.ModeOff {
		return
	}
	c.w.marks.add(markSetChanged)
	c.w.say(n, "the sync set of epoch %d is %s, version %d", x.epoch.Number, failover.SetText(x.epoch.Set), x.epoch.SetVersion)
	// The entry with the set may stand before the one with these settings.
	required := before.Durability == failover.Required && s.Settings.Durability == failover.Required
	if w := x.epoch.Set.W; required && w < min(was.Set.W, before.SyncCount, s.Settings.SyncCount) {
		c.w.fail(checkServerSet, "W falls from %d to %d in epoch %d, and %d are required", was.Set.W, w, x.epoch.Number, s.Settings.SyncCount)
	}
	for _, txn := range slices.Sorted(maps.Keys(x.told)) {
		c.countsFor(txn, x.told[txn])
	}
}

// tells notes that somebody was told of a transaction that a primary has committed in the
// epoch of the set in force.
func (c *checks) tells(v *server, txn uint64, commit postgres.Record) {
	x := &c.w.servers.reigns.inForce
	if v.shared.Failover && v.shared.Open && v.shared.Epoch == x.epoch.Number && commit.Kind != 0 {
		x.told[txn] = commit
		c.countsFor(txn, commit)
	}
}

// has: a commit is durable on a server. Data that was put back, or is made anew, is why not.
func (v *server) has(commit postgres.Record) bool {
	return v.rejoining || v.wentBack || v.pg.Keeps(commit)
}

// asRequired: with required nothing is acknowledged that is not on sync_count standbys, from
// when the primary knows that so many are asked for, whatever the set in force has for W yet.
func (c *checks) asRequired(v *server, txn uint64, commit postgres.Record) {
	if v.n.core == nil || !v.shared.Open || commit.Kind == 0 {
		return
	}
	s := v.n.core.FailoverState()
	if s.Epoch.Number != v.shared.Epoch || s.Settings.Durability != failover.Required {
		return
	}
	n := uint32(len(c.w.servers.reigns.lost))
	for _, o := range c.w.servers.data() {
		if o != v && o.has(commit) {
			n++
		}
	}
	if n < s.Settings.SyncCount {
		c.w.fail(checkServerSet, "%v acknowledges transaction %d in epoch %d, which is on %d standbys, and %d are required", v.n, txn, s.Epoch.Number, n, s.Settings.SyncCount)
	}
}

// countsFor: a commit is durable on W of the set in force.
func (c *checks) countsFor(txn uint64, commit postgres.Record) {
	e, n := &c.w.servers.reigns.inForce.epoch, uint32(0)
	for _, id := range e.Set.Members {
		if v := c.w.servers.of(id); v != nil && v.has(commit) || c.w.servers.reigns.lost[id] {
			n++
		}
	}
	if n < e.Set.W {
		c.w.fail(checkServerSet, "transaction %d, at %v, was told of in epoch %d, and is on %d of the sync set in force, version %d: %s",
			txn, commit.End(), e.Number, n, e.SetVersion, failover.SetText(e.Set))
	}
}

// letsGo: while its primary serves on, a member that wants to be in no set is in none for
// long, if W may fall; and a change that is under way comes to its end.
func (c *checks) letsGo() {
	w := c.w
	x, p := &w.servers.reigns.inForce, w.servers.serving()
	serves := p != nil && p.leased() && !p.frozen && p.n.paused == 0 && p.shared.Epoch == x.epoch.Number
	if !serves || p.shared.Next == nil || p.shared.Decision != x.number || p.streamTo(p.shared.Next) < p.shared.Next.W {
		x.pending = w.now
		if x.number = 0; serves {
			x.number = p.shared.Decision
		}
	} else if w.now-x.pending > longChange {
		w.fail(checkServerSet, "%v is to change its sync set to %s since %v, and does not", p.n, failover.SetText(*p.shared.Next), x.pending)
	}
	for _, v := range w.servers.data() {
		id := v.n.identity.RaftID
		could := serves && p != v && v.n.state == running && v.n.paused == 0 && v.priority == 0 &&
			x.epoch.Set.Has(id) && p.n.core.FailoverState().Settings.Durability == failover.Preferred &&
			p.n.silentTicks(id) < uint64(p.n.timing.ElectionTicks)
		if since, ok := x.wish[id]; !could || !ok {
			x.wish[id] = w.now
		} else if w.now-since > longWish {
			w.fail(checkServerSet, "%v wants to be in no sync set since %v, and %v has it in one: %s", v.n, since, p.n, failover.SetText(x.epoch.Set))
		}
	}
}

// streamTo is how many of a set a primary streams to.
func (v *server) streamTo(c *failover.Set) (n uint32) {
	for _, x := range v.senders() {
		if c.Has(x.Token.Member) {
			n++
		}
	}
	return n
}

// These are how long the primary may take: orders may come late.
const (
	longWish   = 8 * time.Second
	longChange = 10 * time.Second
)

// commits notes where a commit is that has become visible.
func (c *checks) commits(v *server, e postgres.Event) {
	if x := &c.w.servers.reigns.inForce; x.commits != nil && v.shared.Failover && v.shared.Epoch == x.epoch.Number {
		if r, ok := v.pg.RecordEnding(e.End); ok {
			x.commits[e.Txn] = r
		}
	}
}
