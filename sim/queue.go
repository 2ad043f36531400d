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

// queue is a binary heap by time, then by order of arrangement.
type queue struct{ heap []event }

func (q *queue) less(i, j int) bool {
	a, b := &q.heap[i], &q.heap[j]
	return a.at < b.at || a.at == b.at && a.seq < b.seq
}

func (q *queue) push(e event) {
	q.heap = append(q.heap, e)
	for i := len(q.heap) - 1; i > 0; {
		up := (i - 1) / 2
		if !q.less(i, up) {
			return
		}
		q.heap[i], q.heap[up] = q.heap[up], q.heap[i]
		i = up
	}
}

// pop removes the earliest event; the queue must not be empty.
func (q *queue) pop() event {
	first, last := q.heap[0], len(q.heap)-1
	q.heap[0] = q.heap[last]
	q.heap[last] = event{}
	q.heap = q.heap[:last]
	for i := 0; ; {
		least := i
		for _, c := range [2]int{2*i + 1, 2*i + 2} {
			if c < last && q.less(c, least) {
				least = c
			}
		}
		if least == i {
			return first
		}
		q.heap[i], q.heap[least] = q.heap[least], q.heap[i]
		i = least
	}
}
