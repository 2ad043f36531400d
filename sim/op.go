package sim

import (
	"encoding/binary"
	"fmt"
	"time"
)

// op is one operation of a client: a line of the history.
type op struct {
	id        uint64 // index in World.ops, plus one
	client    int
	kind      opKind
	key       int
	began     time.Duration
	ended     time.Duration
	outcome   outcome
	retry     bool // with a request id of its own, so that it can be sent again
	requestID [16]byte
	data      []byte
	tries     int
	open      int    // attempts without an answer
	maybe     bool   // an attempt ended without an answer
	gone      bool   // a node that is no member was asked
	left      bool   // a node was asked that ended to make its server's data anew
	crowd     bool   // one of very many at once: too many for the check of linearizability
	tooOld    bool   // an attempt was given up at the end of the window of request ids
	index     uint64 // where it was acknowledged
	read      uint64 // what a read saw: the op that wrote it, 0 = nothing
	applied   *appliedEntry
	places    []slotKey     // where a log held it
	acked     uint64        // the last index that was acknowledged to anyone when it began
	term      uint64        // and the newest term that committed an entry
	visible   time.Duration // when it was first applied
}

type opKind uint8

const (
	opWrite   opKind = iota
	opRead           // proposes an entry that changes nothing, and reads at its place
	opBarrier        // reads behind a barrier
	opConfirm        // asks a quorum whether the node leads
	opWait           // waits for an index
)

// reads says that an op sees the state and changes nothing.
func (k opKind) reads() bool { return k == opRead || k == opBarrier }

type outcome uint8

const (
	undecided outcome = iota
	done
	refused // nothing happened
	unknown // it may or may not have happened
)

// holds gives the entry of o so many bytes, at least opHeader.
func (o *op) holds(size int) {
	o.data = make([]byte, size)
	binary.LittleEndian.PutUint64(o.data, o.id)
}

func (o *op) String() string {
	kind := [...]string{"write", "read", "read behind a barrier", "confirm", "wait"}[o.kind]
	if o.kind.reads() {
		kind = fmt.Sprintf("%s %d,", kind, o.read)
	}
	return fmt.Sprintf("op %d of client %d: %s key %d from %v to %v, applied %v", o.id, o.client, kind, o.key,
		o.began.Round(time.Millisecond), o.ended.Round(time.Millisecond), o.applied != nil)
}
