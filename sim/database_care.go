package sim

import (
	"time"

	"github.com/pgraft/pgraft/core"
)

// What people do for the databases: those of new servers are made of a backup of
// another one, and one that cannot go on is restored from a dump.

// carePatience is how long a database stands still before somebody looks.
const carePatience = time.Second

// donor is a server whose database can be copied and has applied the log up to an
// index; nil if there is none.
func (w *World) donor(d *database, upTo uint64) *node {
	var l []*node
	for _, x := range w.nodes {
		y := x.database
		if y != d && y.applies && y.stuck == "" && x.state == running && y.now.cluster == w.checks.cluster && y.now.index >= upTo {
			l = append(l, x)
		}
	}
	if len(l) == 0 {
		return nil
	}
	return l[d.draws.Below(len(l))]
}

// provide gives a server that is initialised a database: a copy of another one as
// often as not, or else an empty one, or the one that it had.
func (w *World) provide(d *database) {
	x := w.donor(d, 0)
	if x == nil || d.draws.Below(2) == 0 {
		if d.now.cluster != w.checks.cluster {
			d.becomes(empty())
		}
		return
	}
	d.becomes(x.database.now)
}

// becomes puts another content in the place of a database's own.
func (d *database) becomes(c content) {
	d.now, d.flushed = c, c
	d.stuck, d.toldAt = "", 0
	d.restores++
	d.asked, d.asksState, d.part = 0, false, nil
}

// restoreNewer puts a dump of another database in a database's place, as often as not, if
// there is one that holds more than its node's log. (One that ends within the log can
// differ from an uncommitted tail there, which nothing sees: the progress is an index.)
func (w *World) restoreNewer(d *database) {
	if !d.applies || d.stuck != "" || d.draws.Below(2) == 0 {
		return
	}
	if x := w.donor(d, max(d.now.index, d.node.disk.dir.last(), d.node.seen.last())+1); x != nil {
		w.say(d.node, "its database is restored from that of %v, as of entry %d", x, x.database.now.index)
		d.becomes(x.database.now)
	}
}

// recovered: what a database holds of a cluster belongs to the one that its node has
// made of it, at entry at, unless it holds more of it than the node's log did.
func (d *database) recovered(was, is [16]byte, at uint64) {
	former := []core.FormerCluster{{ClusterUUID: was, Recovered: at}}
	for _, c := range []*content{&d.now, &d.flushed} {
		if p, _ := core.CheckProgress(is, former, c.cluster, c.index); p == core.ProgressRecovered {
			c.cluster = is
		}
	}
}

// careDatabase restores a database that cannot go on from a dump of another one. If
// no other is there, it does without the log that is gone: its function is registered
// no more.
func (w *World) careDatabase(d *database) {
	n := d.node
	if d.stuck == "" || w.now < d.stuckAt+carePatience || n.state != running || n.foreign() || n.paused > 0 {
		return
	}
	upTo := d.wants.To
	if d.now.cluster != w.checks.cluster {
		upTo = 0
	}
	switch x := w.donor(d, upTo); {
	case x != nil:
		w.marks.add(markDatabaseRestored)
		w.say(n, "its database is restored from that of %v, as of entry %d", x, x.database.now.index)
		d.becomes(x.database.now)
	case d.now.cluster != w.checks.cluster:
		d.becomes(empty())
	case w.nobodyComesBack():
		w.say(n, "its database is given up")
		w.marks.add(markDatabaseGivenUp)
		d.applies = false
		d.becomes(d.now)
	}
}

// nobodyComesBack says that the faults have been over for so long that whoever is not
// there will not be.
func (w *World) nobodyComesBack() bool { return w.now > w.o.settleAt()+settleTime/4 }
