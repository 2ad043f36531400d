package sim

import "time"

// event is something that happens at an instant. Which fields count depends on
// kind; life says in which life of the node's process it was arranged.
type event struct {
	at   time.Duration
	seq  uint64 // among events of the same instant, the order of arranging them
	kind eventKind
	life uint32
	node *node
	arg  uint64
	ref  any
}

type eventKind uint8

const (
	evTick     eventKind = iota
	evDisk               // the disk has finished a group of batches
	evDeliver            // ref *packet
	evDial               // ref *peer
	evHello              // ref *handshake, at the acceptor
	evWelcome            // ref *handshake, at the dialler
	evHangup             // ref *conn: the other end noticed its end
	evStart              // the process is started again
	evClient             // arg: which client takes its next step
	evTimeout            // ref *request: its client waits no longer
	evFlap               // ref *strike
	evUpgrade            // ref *node
	evRetry              // ref *op: its client tries once more
	evOperator           // the operator looks at the cluster
	evBegin              // ref *Decision
	evEnd                // ref *Decision
	evSettle             // the faults are over
	evInput              // ref core.Input: a report that the host owes the core
	evDead               // ref *link: TCP gives up if it is still cut
	evRetire             // ref *peer: the connections of a peer no longer listed end
	evStage              // ref *strike: it looks at the cluster
	evKept               // ref *packet: a message that a fault had kept arrives
	evCall               // ref func()
	evDatabase           // the apply worker takes a turn
	evFork               // from here on the run has another luck: Future
	evWake               // the goroutine that owns a core looks what there is
)

func (k eventKind) String() string {
	return [...]string{"tick", "disk", "deliver", "dial", "hello", "welcome", "hangup", "start",
		"client", "timeout", "flap", "upgrade", "retry", "operator", "begin", "end", "settle", "input", "dead", "retire", "stage", "kept", "call", "database", "fork", "wake"}[k]
}

// queue is a binary heap by time, then by order of arrangement. What moves in it has no
// pointers: the events lie still, each in the place that its turn names.
type queue struct {
	heap   []turn
	events []event
	free   []int32 // places of events that nothing is in
}

type turn struct {
	at    time.Duration
	seq   uint64
	place int32
}

func (t *turn) before(u *turn) bool { return t.at < u.at || t.at == u.at && t.seq < u.seq }

func (q *queue) push(e event) {
	var place int32
	if last := len(q.free) - 1; last >= 0 {
		place, q.free = q.free[last], q.free[:last]
		q.events[place] = e
	} else {
		place = int32(len(q.events))
		q.events = append(q.events, e)
	}
	t := turn{e.at, e.seq, place}
	q.heap = append(q.heap, t)
	i := len(q.heap) - 1
	for i > 0 {
		up := (i - 1) / 2
		if !t.before(&q.heap[up]) {
			break
		}
		q.heap[i] = q.heap[up]
		i = up
	}
	q.heap[i] = t
}

// pop removes the earliest event; the queue must not be empty.
func (q *queue) pop() event {
	place := q.heap[0].place
	e := q.events[place]
	q.events[place] = event{}
	q.free = append(q.free, place)
	last := len(q.heap) - 1
	t := q.heap[last]
	q.heap = q.heap[:last]
	if last > 0 {
		q.sink(t)
	}
	return e
}

// sink puts t, which came from the end, in place of the first.
func (q *queue) sink(t turn) {
	i := 0
	for {
		least := 2*i + 1
		if least >= len(q.heap) {
			break
		}
		if c := least + 1; c < len(q.heap) && q.heap[c].before(&q.heap[least]) {
			least = c
		}
		if !q.heap[least].before(&t) {
			break
		}
		q.heap[i] = q.heap[least]
		i = least
	}
	q.heap[i] = t
}
