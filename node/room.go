package node

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/pgraft/pgraft/core"
)

// lookForRoomEvery is how often a node looks how much room its disk has.
const lookForRoomEvery = time.Second

// errFull is why the flight recorder is off while the disk is full.
var errFull = errors.New("the disk is full")

// room is what a node knows of the room on its disk.
type room struct {
	full atomic.Bool
	met  chan struct{} // a write has found none
}

// signal has the node look at once. It does not block.
func (r *room) signal() {
	select {
	case r.met <- struct{}{}:
	default:
	}
}

// watchRoom looks now and then, and when a write has found no room. The core hears of
// it with its next tick, and takes no entries then; the log store goes on by itself.
func (n *Node) watchRoom() {
	ticker := time.NewTicker(lookForRoomEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-n.room.met:
		case <-n.ended:
			return
		}
		n.lookForRoom()
	}
}

func (n *Node) lookForRoom() {
	n.mu.Lock()
	s, state := n.store, n.state
	n.mu.Unlock()
	if s == nil || state != Running && state != Waiting {
		return
	}
	r, err := s.Room()
	if err != nil {
		return // the store has failed, or is closed: whoever writes next says so
	}
	if n.room.full.Swap(r.Full) == r.Full {
		return
	}
	free := fmt.Sprintf("%.1f MB of %.1f MB are free", float64(r.Free)/(1<<20), float64(r.Total)/(1<<20))
	if !r.Full {
		n.rec.Hold(nil)
		n.cfg.Logger.Info(fmt.Sprintf("the disk of %s has room again (%s): node %d takes entries", n.cfg.DataDir, free, n.cfg.NodeID))
		return
	}
	n.rec.Hold(errFull)
	if r.Cause != nil {
		free = fmt.Sprintf("%v; %s", r.Cause, free)
	}
	n.cfg.Logger.Warn(fmt.Sprintf("the disk of %s is full (%s): node %d takes no entries, votes as long as it can, and goes on by itself once there is room",
		n.cfg.DataDir, free, n.cfg.NodeID))
}

// Full says that the disk is so full that this node takes no entries.
func (n *Node) Full() bool { return n.room.full.Load() }

// tellRoom tells the core when that has changed.
func (r *runner) tellRoom() {
	if full := r.n.Full(); full != r.core.Status().Full {
		r.step(core.DiskFull{Full: full})
	}
}
