package node

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/pgraft/pgraft/core"
)

// Call is a request that no goroutine waits for. A Call is submitted once; what is
// exported of it does not change from then on.
type Call struct {
	// Input makes the request: a Propose, ReadBarrier, ConfirmLeader or WaitApplied
	// with this id. It can be called again, with another id, when Reload has put
	// another core in place.
	Input func(id uint64) core.Input
	// Timeout is how long the Call may take; then it is given up as Cancel does. 0:
	// as long as it takes.
	Timeout time.Duration
	// Done gets the outcome, once: what Propose and the others return. It is called by
	// any goroutine, also from inside Submit, and must not block.
	Done func(core.Reply, error)

	n     *Node
	began time.Time
	again bool       // another core may have been asked before
	made  core.Input // by Input, last

	mu      sync.Mutex // taken before an inbox's
	run     *runner    // that has it; nil: none
	id      uint64     // of the request there
	state   callState
	givenUp bool
	timer   *time.Timer
}

// callState says who may end a Call.
type callState int

const (
	callBetween callState = iota // it is in no runner: whoever gives it up
	callAsked                    // its runner
	callEnded
)

// Submit hands in requests and waits neither for their outcome nor for a disk; it may
// step the core. A Call over a bound is Done with an error of code core.Busy at once. calls
// can be used again.
func (n *Node) Submit(calls []*Call) {
	now := time.Now()
	for _, c := range calls {
		c.n, c.began = n, now
		if c.Timeout > 0 {
			c.mu.Lock()
			c.timer = time.AfterFunc(c.Timeout, c.giveUp)
			c.mu.Unlock()
		}
	}
	if r := n.runner(); r == nil || !r.submit(calls) {
		calls = slices.Clone(calls)
		n.cfg.Go(func() { n.goOn(calls) })
	}
}

// Cancel says that nobody waits for a Call any longer. Done still comes: with an error
// of code core.Unknown, unless the outcome was known just then.
func (n *Node) Cancel(c *Call) { c.giveUp() }

// submitRounds is ownRounds for a host's thread, which others wait for.
const submitRounds = 2

// submit is Submit for this runner; false once it has stopped.
func (r *runner) submit(calls []*Call) bool {
	items := make([]any, 0, len(calls))
	for _, c := range calls {
		c.mu.Lock()
		if c.state == callBetween { // else it was given up
			c.run, c.id, c.state = r, r.lastID.Add(1), callAsked
			items = append(items, c)
		}
		c.mu.Unlock()
	}
	t := r.in.offer(items...)
	switch t {
	case closedInbox:
		for _, x := range items {
			x.(*Call).between(false)
		}
		return false
	case noRoom:
		for _, x := range items {
			x.(*Call).replied(core.Reply{Code: core.Busy, Text: fmt.Sprintf("%d inputs wait already", inboxSize)})
		}
		r.n.cfg.Answered()
		return true
	}
	r.serveHost(t)
	return true
}

// serveHost is serve on a goroutine that is not Config.Go's: a panic is made where the
// host can recover from it.
func (r *runner) serveHost(t taken) {
	defer func() {
		if p := recover(); p != nil {
			r.n.cfg.Go(func() { panic(p) })
		}
	}()
	r.serve(t, submitRounds)
}

// between takes c out of its runner, which has stopped; asked says that the core has
// got it. What was given up just then ends here, as nobody may see the Cancel.
func (c *Call) between(asked bool) {
	c.mu.Lock()
	out := c.state == callAsked
	if out {
		c.run, c.state, c.again = nil, callBetween, c.again || asked
	}
	givenUp := c.givenUp
	c.mu.Unlock()
	if out && givenUp {
		c.giveUp()
	}
}

// leave is for Calls that r has left without a reply.
func (n *Node) leave(r *runner, calls []*Call) {
	if len(calls) == 0 {
		return
	}
	if r.replaced.Load() {
		n.cfg.Go(func() {
			<-r.over
			n.goOn(calls)
		})
		return
	}
	for _, c := range calls {
		c.replied(n.stopped(c.id))
	}
	n.cfg.Answered()
}

// goOn asks the core that is there now, or that Reload is about to put in place.
func (n *Node) goOn(calls []*Call) {
	for {
		r, err := n.running()
		switch {
		case err != nil:
			for _, c := range calls {
				c.refused(err)
			}
			n.cfg.Answered()
			return
		case r.submit(calls):
			return
		case !r.replaced.Load():
			n.leave(r, calls)
			return
		}
		<-r.over
	}
}

func (c *Call) ask() (uint64, core.Input) {
	c.made = c.Input(c.id)
	return c.id, c.made
}

// replied is called by who has the Call: its runner's owner, or who took it out.
func (c *Call) replied(rep core.Reply) {
	rep = askedBefore(rep, c.again)
	c.finish(rep, failure(rep))
}

// refused: there is no core to ask.
func (c *Call) refused(err error) {
	if c.again { // the core before may have handed it on
		err = &RequestError{Code: core.Unknown, Text: err.Error()}
	}
	c.finish(core.Reply{}, err)
}

// finish does nothing if c was given up meanwhile.
func (c *Call) finish(rep core.Reply, err error) {
	c.mu.Lock()
	ended := c.state == callEnded
	c.state = callEnded
	if c.timer != nil {
		c.timer.Stop()
	}
	c.mu.Unlock()
	if ended {
		return
	}
	if c.made == nil { // no core was asked
		c.made = c.Input(0)
	}
	if _, ok := c.made.(core.Propose); ok {
		c.n.stats.proposed(c.began, err)
	}
	c.Done(rep, err)
}

// giveUp tells the runner, or ends a Call that is in none.
func (c *Call) giveUp() {
	c.mu.Lock()
	c.givenUp = true
	state, r, id := c.state, c.run, c.id
	c.mu.Unlock()
	switch state {
	case callAsked:
		r.serveHost(r.in.force(core.Cancel{ID: id}))
	case callBetween:
		c.replied(core.Reply{Code: core.Unknown, Text: "given up"})
		c.n.cfg.Answered()
	}
}
