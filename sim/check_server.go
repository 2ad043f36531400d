package sim

import (
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/sim/postgres"
)

// reigns is what the checkers know of the servers' epochs.
type reigns struct {
	acked     map[uint64]acked         // by transaction
	seen      map[uint64]uint64        // by transaction: the epoch in which it was seen on a primary
	named     map[uint64]failover.Loss // by epoch: what overrides have named
	words     map[uint64]uint64        // by index of the entry: whom an operator names
	asked     uint64                   // the request for a switchover that was seen last
	askedAt   time.Duration            // since when its primary has been well
	manual    uint64                   // index of the entry that set the mode last
	given     map[uint64]uint64        // by transaction: the epoch whose override gave it up
	openings  []opening
	timelines map[postgres.TLI]*server
	lastAck   time.Duration
	heard     map[slotKey]heardAtBegin // by the entry that begins an epoch
	inForce   inForce
	epoch     uint64 // the newest that any node has applied the beginning of
	granted   uint64 // the newest whose reports were looked at
	idleSince time.Duration
	apart     time.Duration   // since when nobody leads that takes part
	lost      map[uint64]bool // by member: its machine was lost for good
}

// acked is a commit whose client was told.
type acked struct {
	epoch  uint64
	server *server
	end    postgres.LSN
}

// opening is a primary's database as it was when its epoch opened.
type opening struct {
	epoch  uint64
	server *server
	has    map[uint64]bool
	reign  failover.Reign
	past   []failover.Past // the history then
}

// acks: what is acknowledged is on every later primary, and no other server could
// acknowledge now.
func (c *checks) acks(v *server, e postgres.Event) {
	w, r := c.w, &c.w.servers.reigns
	if v.pg.Flushed() < e.End {
		return // before failover was on, by a client that does not wait
	}
	r.lastAck = w.now
	epoch := uint64(0)
	if v.shared.Failover {
		epoch = v.shared.Epoch
	}
	if epoch == 0 && v.in.enabled { // failover is off, or was as the backend looked last
		c.acksPlainly(v, e)
		return
	}
	if _, ok := r.given[e.Txn]; ok { // its prepared half was not
		delete(r.given, e.Txn)
	} else if a, ok := r.acked[e.Txn]; ok {
		w.fail(checkServerAck, "%v acknowledges transaction %d, which %v has acknowledged", v.n, e.Txn, a.server.n)
	}
	r.acked[e.Txn] = acked{epoch, v, e.End}
	c.acksAsMember(v, e.Txn, epoch)
	commit, _ := v.pg.RecordEnding(e.End)
	c.tells(v, e.Txn, commit)
	c.asRequired(v, e.Txn, commit)
	if epoch > 0 && v.shared.Primary { // else the backend looked as failover was off
		c.hasFlushed(v, uint64(e.End))
	}
	for _, x := range w.servers.data() {
		if x != v && x.serves() && x.leased() {
			w.fail(checkServerOne, "%v acknowledges transaction %d in epoch %d, and %v may acknowledge in epoch %d", v.n, e.Txn, epoch, x.n, x.shared.Epoch)
		}
	}
	for _, o := range r.openings {
		if o.epoch > epoch && !o.has[e.Txn] {
			w.fail(checkServerAck, "%v acknowledges transaction %d in epoch %d, and epoch %d opened on %v without it", v.n, e.Txn, epoch, o.epoch, o.server.n)
		}
	}
}

// sees: what a session has read on a primary is on every later one, but for what was given
// up: who is cut off shows that until it hears of a newer epoch. So has one on a server that
// was a primary and shows the WAL that it wrote then. A primary that does not serve answers
// nobody.
func (c *checks) sees(v *server, txn uint64, found bool) {
	r := &c.w.servers.reigns
	if s := &v.shared; v.pg.Phase() == postgres.Production && s.Failover && !s.Open && !(s.Founding && s.Primary) {
		c.w.fail(checkServerSeen, "a session reads on %v, which has been promoted and does not serve", v.n)
	}
	if !found {
		return
	}
	if !v.shared.Failover && v.in.enabled || v.pg.Phase() != postgres.Production && r.timelines[v.pg.Timeline()] != v {
		return
	}
	if v.pg.Phase() == postgres.Production {
		c.tells(v, txn, r.inForce.commits[txn])
	}
	epoch := v.shared.Epoch
	if _, ok := r.seen[txn]; !ok {
		r.seen[txn] = epoch
	}
	for _, o := range r.openings {
		if o.epoch > epoch && epoch > 0 && !o.has[txn] && !async(o.past, epoch, o.epoch) && overridden(o.past, epoch, o.epoch) == 0 {
			c.w.fail(checkServerSeen, "transaction %d is seen on %v in epoch %d, and epoch %d opened on %v without it", txn, v.n, epoch, o.epoch, o.server.n)
		}
	}
}

// publishes looks at what a server's shared memory says from now on.
func (c *checks) publishes(v *server, was failover.Shared) {
	r, s := &c.w.servers.reigns, &v.shared
	if s.Epoch > r.epoch {
		if r.epoch = s.Epoch; !s.Primary {
			c.begun(v.n, s.Epoch)
		}
	}
	if s.Primary && s.Epoch == r.epoch && s.Epoch > r.granted {
		r.granted = s.Epoch
		c.reported(s.Epoch, v.n.core.FailoverState().Reports)
	}
	if s.Open && (!was.Open || was.Epoch != s.Epoch) {
		c.opened(v)
	}
}

// opened: a primary that begins to serve has all that was acknowledged, and seen, in
// epochs before, once; and nobody else serves in its epoch.
func (c *checks) opened(v *server) {
	w, r := c.w, &c.w.servers.reigns
	epoch := v.shared.Epoch
	w.say(v.n, "serves in epoch %d", epoch)
	c.isPromoted(v)
	for _, o := range r.openings {
		if o.epoch == epoch && o.server != v {
			w.fail(checkServerOne, "%v and %v serve in epoch %d", o.server.n, v.n, epoch)
		}
		if o.epoch == epoch && o.server == v {
			return // its engine has started again
		}
	}
	o := opening{epoch, v, c.transactions(v), failover.Reign{Number: epoch, Primary: v.n.identity.RaftID, Set: v.shared.Set}, v.n.core.FailoverState().Past}
	if len(r.openings) > 0 {
		w.marks.add(markFailedOver)
	}
	r.openings = append(r.openings, o)
	c.givesUp(&o)
	for txn := uint64(1); txn <= w.servers.txns; txn++ { // in order, so that a run is the same each time
		if a, ok := r.acked[txn]; ok && a.epoch < epoch && !o.has[txn] && !c.isGivenUp(v, txn, a.epoch) {
			w.fail(checkServerAck, "%v opens epoch %d without transaction %d, acknowledged in epoch %d by %v", v.n, epoch, txn, a.epoch, a.server.n)
		}
		if e, ok := r.seen[txn]; ok && e < epoch && !o.has[txn] && !c.isGivenUp(v, txn, e) {
			w.fail(checkServerSeen, "%v opens epoch %d without transaction %d, seen in epoch %d", v.n, epoch, txn, e)
		}
	}
}

// transactions are those that a server has, each once.
func (c *checks) transactions(v *server) map[uint64]bool {
	has := map[uint64]bool{}
	for _, row := range v.pg.Rows() {
		if has[row.Txn] {
			c.w.fail(checkServerAck, "%v has transaction %d twice", v.n, row.Txn)
		}
		has[row.Txn] = true
	}
	return has
}

// forks: a timeline's number is one grantee's, once.
func (c *checks) forks(v *server, e postgres.Event) {
	r := &c.w.servers.reigns
	if o := r.timelines[e.TLI]; o != nil {
		c.w.fail(checkServerTimeline, "%v begins timeline %d, which %v has begun", v.n, e.TLI, o.n)
	}
	r.timelines[e.TLI] = v
	c.keepsWhatIsAcked(v)
}

// begun: no epoch begins while its primary keeps the lease, or lost it for less than
// failover_delay, as long as its server runs on; nor while those whom its leader has heard
// lately could not go on.
func (c *checks) begun(n *node, epoch uint64) {
	w, r := c.w, &c.w.servers.reigns
	if len(r.openings) == 0 {
		return
	}
	last := r.openings[len(r.openings)-1]
	if last.epoch != epoch-1 {
		return
	}
	w.marks.add(markEpochBegun)
	if n.core.FailoverState().Epoch.Ask.Way != failover.NotAsked {
		return // an operator wants it
	}
	p := last.server
	if n.status.Role == core.RoleLeader && !c.goesOn(n, last.reign, epoch) {
		w.fail(checkServerNeedless, "epoch %d begins, and those whom %v hears cannot go on from epoch %d", epoch, n, last.epoch)
	}
	if !p.serves() || p.frozen || p.refused || p.shared.Quarantined {
		return
	}
	t := &w.shape.timing
	delay := time.Duration(w.servers.settings.DelayMillis) * time.Millisecond
	least := delay*9/10 - time.Duration(t.ElectionTicks/2+3)*time.Duration(t.TickMillis)*time.Millisecond
	if gap := w.now - p.leasedUntil; gap < least {
		w.fail(checkServerNeedless, "epoch %d begins, and %v, the primary of the one before, is up and had the lease until %v, %v ago", epoch, p.n, p.leasedUntil, gap)
	}
}

// longSilent is for how long a leader has not heard a member when it must know: far more
// than an election timeout, as the entry that begins an epoch takes a while.
const longSilent = 6 * time.Second

func (n *node) hasHeard(member uint64) bool {
	return member == n.identity.RaftID || time.Duration(min(n.silentTicks(member), n.status.Tick))*n.tick() < longSilent
}

// watchServers looks at all servers now and then.
func (c *checks) watchServers() {
	w := c.w
	for _, v := range w.servers.data() {
		c.followsLineage(v)
		c.keepsUp(v, w.servers.serving())
	}
	c.notesLog()
	c.letsGo()
	c.knowsWhy()
	c.handsOn()
	c.areTold()
	c.endsInTime()
	c.quarantinesNobody()
}

// followsLineage: what a server streams from a primary that serves is a part of what
// that one has.
func (c *checks) followsLineage(v *server) {
	w := c.w
	id, _ := v.pg.Receiving()
	if id == 0 || v.frozen {
		return
	}
	p := w.nodes[id-1].server
	if !p.serves() || p.frozen || v.mem.Follows.Epoch != p.shared.Epoch {
		return
	}
	c.sameRows(v, p, v.pg.Rows(), p.pg.Rows())
}

// sameRows: the last transaction that is replayed is the primary's in its place. (The WAL
// files say less: a walreceiver writes over what was replayed of another fork.)
func (c *checks) sameRows(v, p *server, replayed, rows []postgres.Row) {
	n := len(replayed)
	if n > 0 && (len(rows) < n || rows[n-1] != replayed[n-1]) {
		c.w.fail(checkServerLineage, "%v streams from %v in epoch %d, and its transaction in place %d, %+v, is not that one's", v.n, p.n, v.mem.Follows.Epoch, n, replayed[n-1])
	}
}

// reasonless is for how long nobody may serve without a reason that somebody says.
const reasonless = 5 * time.Second

// knowsWhy: where nobody serves, some node says why.
func (c *checks) knowsWhy() {
	w, r := c.w, &c.w.servers.reigns
	l := w.leader()
	if l == nil || l.paused > 0 || l.server == nil || l.server.apart || !w.servers.enabled || w.servers.serving() != nil || l.core.FailoverState().Mode == failover.ModeOff {
		r.idleSince = w.now
		return
	}
	for _, v := range w.servers.all {
		if v.n.state == running && (v.why.Reason != failover.Nothing || v.nobody.Reason != failover.Nothing) {
			r.idleSince = w.now
		}
	}
	if w.now-r.idleSince > reasonless {
		w.fail(checkServerWhy, "nobody serves since %v, and no node says why", r.idleSince)
	}
}

// serversInTheEnd: without faults one primary serves and acknowledges, and all others
// stream from it, and replay that.
func (c *checks) serversInTheEnd() {
	x := c.w.servers
	if x == nil {
		return
	}
	w := c.w
	if !x.enabled {
		w.fail(checkServerLive, "failover was never enabled")
		return
	}
	p := x.serving()
	if p == nil {
		w.fail(checkServerLive, "nobody serves: %s", x.reasons())
		return
	}
	if !p.leased() {
		w.fail(checkServerLive, "%v serves in epoch %d, and has no lease", p.n, p.shared.Epoch)
	}
	for _, v := range x.data() {
		if id, _ := v.pg.Receiving(); v != p && v.isMember() && (id != int(p.n.id) || v.mem.Follows.Epoch != p.shared.Epoch) {
			w.fail(checkServerLive, "%v does not stream from %v, which serves in epoch %d: %s", v.n, p.n, p.shared.Epoch, x.reasons())
		} else if v != p && v.isMember() && !c.hasReplayed(v, p.shared.Epoch) {
			w.fail(checkServerLive, "%v streams from %v in epoch %d, and has replayed no more than %v", v.n, p.n, p.shared.Epoch, v.pg.Replayed())
		}
	}
	if ago := w.now - x.reigns.lastAck; ago > 4*time.Second {
		w.fail(checkServerLive, "%v serves in epoch %d, and the last commit was acknowledged %v ago", p.n, p.shared.Epoch, ago)
	}
	if k := p.n.core.FailoverState().Epoch.Ask; k.Way == failover.WaySwitchover || k.Way == failover.WaySwitching {
		w.fail(checkServerSwitch, "the switchover to member %x, asked for at index %d, has not ended", k.Target, k.Index)
	}
	has := c.transactions(p)
	for txn := uint64(1); txn <= x.txns; txn++ {
		if a, ok := x.reigns.acked[txn]; ok && !has[txn] && !c.isGivenUp(p, txn, a.epoch) {
			w.fail(checkServerAck, "in the end %v lacks transaction %d, acknowledged in epoch %d by %v", p.n, txn, a.epoch, a.server.n)
		}
	}
}

// reasons is what the nodes say that they wait for.
func (x *servers) reasons() string {
	s := ""
	for _, v := range x.all {
		s += v.describe() + "; "
	}
	return s
}

func (v *server) describe() string {
	s := v.n.String()
	if v.pg != nil {
		s += " " + [...]string{"down", "in recovery", "a primary", "stopping"}[v.pg.Phase()]
		if f := v.pg.Fatal(); f != "" && v.pg.Phase() == postgres.Down {
			s += " (" + f + ")"
		}
	}
	for _, y := range []failover.Why{v.why, v.nobody} {
		if y.Reason != failover.Nothing {
			s += ", " + y.Reason.String()
			for _, id := range y.Members {
				s += " " + v.n.w.nodes[core.NodeID(id)-1].String()
			}
		}
	}
	return s
}
