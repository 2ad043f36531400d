package replay

import (
	"errors"
	"fmt"
	"sort"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/trace"
)

// Event is one frame of a trace, played.
type Event struct {
	Node  *Node
	N     int         // how many inputs of the node come up to and with it
	Seq   uint64      // of the last input, in the core's life
	Time  time.Time   // by the node's clock
	Frame trace.Frame // *trace.Header, *Boot, *Input, *Checkpoint, *Note or *End
	Step  *trace.Step // of an Input
	// Status is the core's after the event; the zero value before it is started.
	Status core.Status
	// Failover is what is known of it after the event, nil if there is nothing; and Was,
	// before it.
	Failover, Was *Failover
	// Log is what the log decided of failover with the event.
	Log []string
	// Err says that the replay cannot go on: the cursor ends here.
	Err error
}

// Input returns the decoded input; nil if the event is none.
func (e *Event) Input() core.Input {
	if e.Step == nil {
		return nil
	}
	return e.Step.Input
}

// Cursor plays one node's trace, forward and back.
type Cursor struct {
	n      *Node
	player trace.Player
	at     int // frames played
	event  Event
	watch  FailoverWatch
	keeps  bool // moments to go back to
}

const (
	// momentEvery is how many frames lie between two moments, at first.
	momentEvery = 2000
	// maxMomentBytes bounds what a node's moments hold. Over it, every second one
	// goes, and from then on they lie twice as far apart.
	maxMomentBytes = 64 << 20
)

type moment struct {
	frame  int
	moment trace.Moment
	watch  FailoverWatch
}

// Cursor returns one before the first frame. All cursors of a node belong to one
// goroutine.
func (n *Node) Cursor() *Cursor { return &Cursor{n: n, keeps: true} }

// once returns a cursor that only goes on.
func (n *Node) once() *Cursor { return &Cursor{n: n} }

// CursorWith returns one for a "what if": cores start with another
// configuration, and sums mean nothing.
func (n *Node) CursorWith(set func(*core.Config)) *Cursor {
	return &Cursor{n: n, player: trace.Player{Set: set}}
}

// Next plays the next frame; false at the end, or after an Event with Err.
func (c *Cursor) Next() bool {
	if c.at >= len(c.n.refs) || c.event.Err != nil {
		return false
	}
	c.remember()
	f, was, restored := c.n.frame(c.at), c.watch.Now(), c.player.Restored
	step, err := c.player.Play(f)
	seq, when := c.player.Seq(), frameTime(f)
	c.event = Event{Node: c.n, N: int(c.n.refs[c.at].input), Seq: seq, Time: time.Unix(0, when), Frame: f, Step: step, Err: err}
	if c.player.Core() != nil {
		c.event.Status = c.player.Core().Status()
	}
	_, boots := f.(*trace.Boot)
	switch {
	case c.player.Core() == nil:
		c.watch = FailoverWatch{}
	case boots && err == nil, c.player.Restored > restored:
		c.watch.Start(c.player.Core(), c.player.Config().Failover.Boot)
	case step != nil && step.Panic == "":
		c.event.Log = c.watch.Step(c.player.Core(), step.Input, step.Output.Failover)
	}
	c.event.Failover, c.event.Was = c.watch.Now(), was
	c.at++
	return true
}

// Event is the one that was played last.
func (c *Cursor) Event() *Event { return &c.event }

// Core is the replayed core as it is now; nil before its start. Reading it is
// all that may be done.
func (c *Cursor) Core() *core.Core { return c.player.Core() }

// Failover is what is known of it now, nil if there is nothing.
func (c *Cursor) Failover() *Failover { return c.watch.Now() }

// Config is what the core was started with.
func (c *Cursor) Config() core.Config { return c.player.Config() }

// Player tells of checkpoints and gaps so far.
func (c *Cursor) Player() *trace.Player { return &c.player }

// N is how many inputs have been played.
func (c *Cursor) N() int {
	if c.at == 0 {
		return 0
	}
	return int(c.n.refs[c.at-1].input)
}

// remember keeps where the cursor is, now and then, for all cursors of the node.
func (c *Cursor) remember() {
	n := c.n
	if n.apart == 0 {
		n.apart = momentEvery
	}
	last := -n.apart
	if l := len(n.moments); l > 0 {
		last = n.moments[l-1].frame
	}
	if !c.keeps || c.at < last+n.apart || c.player.Core() == nil {
		return
	}
	m, err := c.player.Moment()
	if err != nil {
		return // back means from further away, then
	}
	n.moments, n.momentBytes = append(n.moments, moment{c.at, m, c.watch}), n.momentBytes+m.Bytes()
	if n.momentBytes > maxMomentBytes {
		var kept []moment
		n.apart, n.momentBytes = 2*n.apart, 0
		for i := 0; i < len(n.moments); i += 2 {
			kept, n.momentBytes = append(kept, n.moments[i]), n.momentBytes+n.moments[i].moment.Bytes()
		}
		n.moments = kept
	}
}

// Seek goes to just after the input n of the node, in either direction; 0 is
// before everything.
func (c *Cursor) Seek(n int) error {
	if n < 0 || n > c.n.Inputs {
		return fmt.Errorf("replay: node %s has inputs 1 to %d, not %d", c.n.Name, c.n.Inputs, n)
	}
	frame := sort.Search(len(c.n.refs), func(i int) bool { return int(c.n.refs[i].input) >= n }) + 1
	if n == 0 {
		frame = 0
	}
	return c.seekFrame(frame)
}

func (c *Cursor) seekFrame(frame int) error {
	i := sort.Search(len(c.n.moments), func(i int) bool { return c.n.moments[i].frame >= frame }) - 1
	if frame < c.at || i >= 0 && c.n.moments[i].frame > c.at {
		*c = *c.n.Cursor()
		if i >= 0 {
			if err := c.player.Reset(c.n.moments[i].moment); err != nil {
				return err
			}
			c.at, c.watch = c.n.moments[i].frame, c.n.moments[i].watch
		}
	}
	for c.at < frame {
		if !c.Next() {
			return errors.Join(fmt.Errorf("replay: node %s ends at input %d", c.n.Name, c.N()), c.event.Err)
		}
	}
	return nil
}
