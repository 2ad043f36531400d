package sim

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/pgraft/pgraft/core"
)

// request is one attempt at an op at one node, or something that the operator
// asked for.
type request struct {
	id    uint64 // of the core's input
	node  *node
	op    *op
	admin *adminRequest
	began time.Duration
	since uint64 // what the node had applied then
	over  bool
	asked bool // the core has got it
}

// client is a session: it does one thing after the other.
type client struct {
	w      *World
	number int
	draws  Stream
	waits  Stream // whether it waits without limit
	node   *node  // that it is connected to
	op     *op    // under way
}

const (
	maxTries = 4
	// keyLife is how many operations go to a key: it bounds what the check for
	// linearizability has to look at in one piece.
	keyLife = 80
	keys    = 3 // in use at a time
	// patience is how long most wait for an answer at most.
	patience = 4 * time.Second
	// maxPatience is how long the last operations wait for an answer.
	maxPatience = quietTime - 100*time.Millisecond
	// maxPause is how late a client sends a request once more: as one does that
	// had to be started again itself.
	maxPause = 30 * time.Second
	// lastTry is how long before the end nothing is sent once more: what comes
	// then may not be applied everywhere in time.
	lastTry = quietTime / 2
)

func (w *World) newClients() {
	for i := range w.shape.clients {
		c := &client{w: w, number: i, draws: For(w.o.Seed, "client", uint64(i)), waits: For(w.o.Seed, "waits", uint64(i))}
		w.clients = append(w.clients, c)
		w.arrange(event{at: c.draws.Between(time.Second, 2*time.Second), kind: evClient, arg: uint64(i)})
	}
}

// next arranges the client's next operation.
func (c *client) next() {
	mean := time.Second * time.Duration(c.w.shape.clients) / time.Duration(c.w.o.Rate)
	at := c.w.now + c.draws.Between(mean/2, mean*3/2)
	if at < c.w.o.Duration-quietTime {
		c.w.arrange(event{at: at, kind: evClient, arg: uint64(c.number)})
	}
}

// act is one operation. A client that still waits lets its turn pass.
func (c *client) act() {
	c.next()
	if c.op != nil {
		return
	}
	w := c.w
	if c.node == nil || c.draws.Below(10) == 0 {
		c.node = w.nodes[c.draws.Below(len(w.nodes))]
	}
	n := c.node
	if n.state != running || n.foreign() {
		c.node = nil
		return
	}
	switch r := c.draws.Below(100); {
	case r < 10:
		w.askLeader(n)
	case r < 20:
		w.checks.readLog(n, &c.draws)
	case r < 21:
		w.propose(n, &op{client: -1, requestID: c.uuid(), data: make([]byte, n.timing.MaxEntryBytes+1)})
	case r < 24:
		c.begin(opConfirm)
	case r < 26:
		c.begin(opWait)
	case r < 34:
		c.begin(opRead)
	case r < 50:
		c.begin(opBarrier)
	default:
		c.begin(opWrite)
	}
}

func (c *client) uuid() (u [16]byte) {
	binary.LittleEndian.PutUint64(u[:], c.draws.Uint64())
	binary.LittleEndian.PutUint64(u[8:], c.draws.Uint64())
	return u
}

// askLeader is is_leader().
func (w *World) askLeader(n *node) {
	if n.holdsLease() {
		w.marks.add(markIsLeaderTrue)
	} else {
		w.marks.add(markIsLeaderFalse)
	}
}

// begin starts an operation.
func (c *client) begin(k opKind) {
	w := c.w
	o := &op{id: uint64(len(w.ops) + 1), client: c.number, kind: k, began: w.now, retry: c.draws.Below(4) > 0, requestID: c.uuid()}
	o.key = len(w.ops)/(keyLife*keys)*keys + c.draws.Below(keys)
	o.acked, o.term = w.checks.acked, w.checks.commitTerm()
	if k > opRead {
		o.retry = false
		w.ops, c.op = append(w.ops, o), o
		c.try(c.node)
		return
	}
	size := opHeader
	if k == opWrite && c.draws.Below(8) == 0 {
		size += c.draws.Below(w.shape.values)
	}
	o.holds(size)
	w.ops = append(w.ops, o)
	c.op = o
	c.try(c.node)
	if o.retry && c.draws.Below(30) == 0 { // the same request at two nodes at once
		c.try(w.nodes[c.draws.Below(len(w.nodes))])
	}
}

// opHeader is what each entry of a client begins with: the id of its op.
const opHeader = 8

// try sends the client's op to a node. One attempt in sixteen waits until it is
// answered, as a session with a very long pgraft.propose_timeout does:
// checks.answersAll demands that. An index, though, may never be reached.
func (c *client) try(n *node) {
	if c.op == nil || n.state != running || n.foreign() {
		return
	}
	c.op.tries++
	c.op.open++
	if c.w.checks.newest.Get(n.identity.RaftID) == nil {
		c.op.gone = true // it can have been removed before it ever heard of anyone
	}
	if q := c.w.propose(n, c.op); !q.over {
		waits := c.draws.Between(500*time.Millisecond, patience)
		if c.op.began > c.w.lastOps() {
			waits = maxPatience
		}
		if c.waits.Below(16) > 0 || c.op.kind == opWait {
			c.w.arrange(event{at: c.w.now + waits, kind: evTimeout, ref: q})
		}
	}
}

// propose hands an entry to a node's core.
func (w *World) propose(n *node, o *op) *request {
	w.nextID++
	q := &request{id: w.nextID, node: n, op: o, began: w.now, since: n.status.Applied}
	n.await(q)
	if o.kind <= opRead && o.client >= 0 {
		w.checks.asksWrite(n)
	}
	if w.trace != nil {
		w.say(n, "is asked for %v as %d", o, q.id)
	}
	var in core.Input
	switch o.kind {
	case opBarrier:
		in = core.ReadBarrier{ID: q.id}
	case opConfirm:
		in = core.ConfirmLeader{ID: q.id}
	case opWait:
		in = core.WaitApplied{ID: q.id, Index: n.status.Commit + 1}
	default:
		in = core.Propose{ID: q.id, RequestID: o.requestID, Data: o.data}
	}
	if n.paused > 0 {
		n.deferred = append(n.deferred, event{at: w.now, kind: evInput, node: n, life: n.life, ref: in})
		return q
	}
	n.input(in)
	return q
}

func (n *node) await(q *request) { n.waits = append(n.waits, q) }

// timeout is a client, or the operator, that waits no longer.
func (w *World) timeout(q *request) {
	if q.over {
		return
	}
	n := q.node
	if n.state == running && n.paused == 0 {
		n.input(core.Cancel{ID: q.id})
		if q.over || n.isAtWork() { // the answer follows
			return
		}
	}
	n.waits = slices.DeleteFunc(n.waits, func(x *request) bool { return x == q })
	if n.state == running {
		n.report(core.Cancel{ID: q.id})
	}
	w.answered(q, core.Reply{ID: q.id, Code: core.Unknown, Text: "no answer in time"})
}

// answered is the end of an attempt.
func (w *World) answered(q *request, r core.Reply) {
	q.over = true
	if w.trace != nil {
		w.say(q.node, "answers %d: %s %s", q.id, codeNames[r.Code], r.Text)
	}
	w.marks.reply(r.Code)
	switch {
	case q.admin != nil:
		w.adminAnswered(q, r)
		return
	case q.op.client < 0: // an entry over the bound
		if r.Code == core.TooLarge {
			w.marks.add(markTooLarge)
		} else if r.Code == core.OK {
			w.fail(checkBounds, "%v took an entry of %d bytes, over its bound", q.node, len(q.op.data))
		}
		return
	}
	if r.Code == core.NoRoom {
		w.checks.refusedForRoom(q)
	}
	o := q.op
	o.open--
	w.reachedWindow(q, r)
	if q.node.foreign() && r.Code == core.OK { // of the cluster that a member left to go on alone
		r.Code = core.Unknown
		w.checks.costs(o)
	}
	switch {
	case r.Code == core.OK:
		if w.now-q.began > patience && o.began < w.lastOps() {
			w.marks.add(markPatient)
		}
		w.checks.acknowledged(q, r)
		if o.kind <= opRead {
			w.checks.acknowledges(q.node)
		}
		if o.outcome != done && o.outcome != unknown {
			o.outcome, o.index, o.ended = done, r.Index, w.now
			w.marks.add(markAcknowledged)
			w.release(o)
		}
		return
	case r.Code == core.Unknown, r.Code == core.RemovedMember:
		o.maybe = o.maybe || r.Code == core.Unknown
		o.gone = o.gone || q.node.status.Role == core.RoleRemoved
	}
	if o.outcome == undecided && o.open == 0 {
		w.tryAgain(o)
	}
}

// tryAgain arranges that a request is sent once more, with the same id, or ends
// the operation.
func (w *World) tryAgain(o *op) {
	c := w.clients[o.client]
	if o.retry && o.tries < w.tries() && c.op == o && w.now < w.o.Duration-lastTry {
		pause := 500 * time.Millisecond
		if c.draws.Below(16) == 0 && !w.forgetsRequests() {
			pause = maxPause
		}
		at := min(w.now+c.draws.Between(0, pause), w.o.Duration-lastTry)
		w.arrange(event{at: at, kind: evRetry, ref: o})
		return
	}
	w.giveUp(o)
}

// retry sends the request once more, to any node that takes it.
func (w *World) retry(o *op) {
	c := w.clients[o.client]
	if o.outcome != undecided || o.open > 0 {
		return
	}
	c.node = w.nodes[c.draws.Below(len(w.nodes))]
	before := o.tries
	if c.try(c.node); o.tries > before {
		w.marks.add(markRetried)
		return
	}
	if o.tries++; o.tries < w.tries() {
		w.tryAgain(o)
		return
	}
	w.giveUp(o)
}

// giveUp ends an operation that was not acknowledged.
func (w *World) giveUp(o *op) {
	o.ended, o.outcome = w.now, refused
	if o.maybe {
		o.outcome = unknown
		w.marks.add(markUnknown)
	}
	w.release(o)
}

// release lets the client go on to its next operation.
func (w *World) release(o *op) {
	if c := w.clients[o.client]; c.op == o {
		c.op = nil
		if o.outcome != done && c.draws.Below(2) == 0 {
			c.node = nil
		}
	}
}
