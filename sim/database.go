package sim

import (
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/retain"
)

// database is a server's PostgreSQL database that applies the log, and its apply
// worker: pgext/apply_worker.c. It outlives the log store's directory. Commits are
// not flushed at once: a crash of the machine takes back what is not.
type database struct {
	node  *node
	draws Stream
	// How it is set up. applies: an apply function is registered. imports: it can be
	// filled from another one's exported state. exports: it exports its own.
	applies, imports, exports bool
	limits                    retention     // of its node's store, as set at the moment
	pace                      time.Duration // from one turn to the next
	batch                     int           // entries in a turn
	flushEvery                time.Duration
	tellEvery                 time.Duration // how soon its core hears of what it needs

	now, flushed content
	flushAt      time.Duration
	restores     uint32 // how often it went back to what it had told it needed no more
	stopped      int    // faults in force: it applies nothing
	slow         int    // it applies one entry a turn
	noExport     int    // its exports fail
	lateExport   int    // they take long

	// Of this life of the process.
	told       core.Needs
	toldAny    bool
	given      bool       // its core has taken it
	taken      core.Needs // the newest that its core has begun to take, once there is one
	takenAny   bool
	toldAt     time.Duration
	open       []uint64 // questions to its core that are not answered
	asksState  bool     // asked is for a state, since stateAsked
	stateAsked time.Duration
	noStates   int               // imports in a row that came to nothing
	asked      uint64            // the id of what its core is asked for; 0 = nothing
	wants      core.Gap          // asked: the entries that it is about
	waits      time.Duration     // until when it asks for nothing
	part       []byte            // the state of another database, as far as it has come
	states     map[uint64][]byte // exported, by ticket

	needed  uint64 // as of some seconds before the end
	stuck   string // why it cannot go on without the operator; "" = it can
	stuckAt time.Duration
}

// content is what a database holds: what the users wrote into a cluster's log, up to
// an index.
type content struct {
	cluster [16]byte // zero: it has applied nothing yet
	index   uint64
	hash    digest
}

// with is a content with one entry more.
func (c content) with(index uint64, data []byte, own bool) content {
	c.index = index
	if !own {
		h := digest(index)
		h.bytes(data)
		c.hash.word(uint64(h))
	}
	return c
}

// empty is what a database holds at first.
func empty() content { return content{index: core.FoundingIndex} }

// databases are what the databases of a run have in common.
type databases struct {
	limits retention // of every store
	state  int       // bytes of an exported state beside its header
	kinds  int       // 0: all alike, none importable; 1: all importable; 2: each its own
}

func drawDatabases(o Options) *databases {
	if !o.HasDatabases() {
		return nil
	}
	s := For(o.Seed, "databases shape")
	return &databases{
		limits: retention{entries: Pick(&s, uint64(10), 30, 100, 400), bytes: Pick(&s, uint64(0), 0, 2_000, 20_000)},
		state:  Pick(&s, 0, 1<<20, 3<<20, 3<<20),
		kinds:  s.Below(3),
	}
}

func (w *World) newDatabase(n *node) *database {
	s := For(w.o.Seed, "database", uint64(n.id))
	d := &database{node: n, now: empty(), flushed: empty(), applies: true,
		pace:       Pick(&s, 10*time.Millisecond, 50*time.Millisecond, 200*time.Millisecond),
		batch:      Pick(&s, 30, 100, 300),
		flushEvery: Pick(&s, 50*time.Millisecond, 200*time.Millisecond, 2*time.Second),
		tellEvery:  Pick(&s, 200*time.Millisecond, time.Second, 5*time.Second),
	}
	d.limits = w.databases.limits
	switch w.databases.kinds {
	case 1:
		d.imports, d.exports = true, true
	case 2:
		d.imports = s.Below(2) == 0
		d.exports = d.imports || s.Below(2) == 0
		d.applies = s.Below(6) > 0
	}
	d.draws = s
	return d
}

// begin is the start of a process: what it holds is on disk, and its store keeps
// everything until the core says what may go.
func (d *database) begin() {
	n := d.node
	d.flushed, d.flushAt = d.now, n.w.now+d.flushEvery
	d.told, d.toldAny, d.given, d.toldAt, d.asked, d.waits, d.part = core.Needs{}, false, false, 0, 0, 0, nil
	d.taken, d.takenAny = core.Needs{}, false
	d.open, d.asksState = d.open[:0], false
	d.states = map[uint64][]byte{}
	limits := d.limits
	limits.from = core.FoundingIndex
	n.disk.dir.retention = &limits
	n.w.arrange(event{at: n.w.now + d.draws.Between(0, d.pace), kind: evDatabase, node: n, life: n.life})
}

// crash is the end of the process: s says whether the machine goes on.
func (d *database) crash(s survival) {
	if s == surviveNone || s == survivePrefix && d.draws.Below(2) == 0 {
		if d.now.index > d.flushed.index {
			d.node.w.marks.add(markCommitsTakenBack)
		}
		d.now = d.flushed
	}
	d.flushed = d.now // by the crash recovery of the next start
}

// need is what the worker says: the first index that is not surely on disk; 0 = none.
func (d *database) need() uint64 {
	if !d.applies {
		return 0
	}
	return d.flushed.index + 1
}

// turn is one turn of the apply worker.
func (d *database) turn() {
	n := d.node
	n.w.arrange(event{at: n.w.now + d.pace, kind: evDatabase, node: n, life: n.life})
	if n.w.now >= d.flushAt {
		d.flushed, d.flushAt = d.now, n.w.now+d.flushEvery
	}
	if n.w.now < n.w.lastOps() {
		d.needed = d.trueNeed()
	}
	life := n.life
	d.tell()
	if n.state == running && n.life == life {
		d.work()
	}
}

// tell has the core know what is needed: at once at the start of a life, and when
// that begins or ends, and otherwise now and then.
func (d *database) tell() {
	n := d.node
	in := core.Needs{From: d.need(), Importable: d.applies && d.imports}
	same := d.toldAny && in.Importable == d.told.Importable
	if same && (in == d.told || in.From > 0 && d.told.From > 0 && d.toldAt > 0 && n.w.now < d.toldAt+d.tellEvery) {
		return
	}
	d.told, d.toldAny, d.toldAt = in, true, n.w.now
	n.input(in)
}

// gives notes that the core has been told, by a step that is over.
func (d *database) gives(in core.Input) {
	if d != nil && !d.given {
		_, d.given = lastNeeds(in)
	}
}

// takes notes that the core is about to take in: what it orders from now on, it orders
// knowing that.
func (d *database) takes(in core.Input) {
	if d == nil {
		return
	}
	if need, ok := lastNeeds(in); ok {
		d.taken, d.takenAny = need, true
	}
}

// lastNeeds is the last Needs of an input, which may be a batch.
func lastNeeds(in core.Input) (last core.Needs, ok bool) {
	for in := range core.Each(in) {
		if need, is := in.(core.Needs); is {
			last, ok = need, true
		}
	}
	return last, ok
}

// known is what the core knows of the need: what is on its way to it binds nobody. Before
// the first has arrived, nothing leaves the store.
func (d *database) known() core.Needs {
	if d.takenAny {
		return d.taken
	}
	return d.told
}

// work applies what there is to apply.
func (d *database) work() {
	n := d.node
	switch {
	case !d.applies || d.stopped > 0 || d.asked != 0 || n.w.now < d.waits || d.stuck != "":
		return
	case d.now.cluster == [16]byte{}:
		d.now.cluster = n.identity.ClusterUUID
	case d.now.cluster != n.identity.ClusterUUID:
		d.isStuck("its tables belong to another cluster")
		return
	}
	most := d.batch
	if d.slow > 0 {
		most = 1
	}
	dir := n.disk.dir
	for range most {
		i := d.now.index + 1
		if i > n.readable || len(dir.log) == 0 && i >= dir.first || i > dir.last() {
			return
		}
		e := dir.entry(i)
		if e == nil {
			d.fetch(i)
			return
		}
		data, user, err := core.UserData(*e)
		if err != nil {
			n.w.fail(checkDatabase, "%v reads entry %d to apply it: %v", n, i, err)
			return
		}
		d.apply(retain.Entry{Index: e.Index, Term: e.Term, Data: data, Own: !user})
	}
}

// apply is one entry's transaction.
func (d *database) apply(e retain.Entry) {
	before := d.now
	d.now = d.now.with(e.Index, e.Data, e.Own)
	d.node.w.marks.add(markDatabaseApplied)
	d.node.w.checks.databaseApplied(d.node, before, d.now)
}

// isStuck ends the worker's attempts: the operator has to help.
func (d *database) isStuck(why string) {
	d.stuck, d.stuckAt = why, d.node.w.now
	d.node.w.marks.add(markDatabaseStuck)
	d.node.w.say(d.node, "its database cannot go on: %s", why)
}
