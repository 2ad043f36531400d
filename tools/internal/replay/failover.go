package replay

import (
	"reflect"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/failover"
)

// Failover is what is known of failover on a node at one instant. It is never changed:
// the next instant has another one.
type Failover struct {
	// State is what the log has decided, as far as this node has applied it.
	State *failover.State
	// Boot is of the node's engine; 0: the node takes no part.
	Boot uint64
	// Server is what the host reported last; nil: nothing yet, or there is no server.
	Server *failover.Server
	// Decided is the last decision; nil: none yet.
	Decided *core.FailoverOutput
}

// FailoverWatch keeps Failover up to date while a core is driven. The zero value is for
// before the core's start. A copy of it goes on from where it was made.
type FailoverWatch struct {
	now     *Failover
	applied uint64
}

// Now is nil if the node takes no part, and its log has nothing of failover.
func (w *FailoverWatch) Now() *Failover { return w.now }

// Start is for a core that was just made; c may be nil.
func (w *FailoverWatch) Start(c *core.Core, boot uint64) {
	*w = FailoverWatch{}
	if c == nil {
		return
	}
	w.applied = c.Status().Applied
	st := c.FailoverState()
	if boot == 0 && st.Mode == failover.ModeOff && st.Epoch.Number == 0 && len(st.Members) == 0 {
		return
	}
	w.now = &Failover{State: &st, Boot: boot}
	if v, ok := c.FailoverServer(); ok {
		w.now.Server = &v
	}
}

// Step is for an input that c has just taken, and its output. The log is what the
// entries decided that were applied with it, in lines.
func (w *FailoverWatch) Step(c *core.Core, in core.Input, out *core.FailoverOutput) (log []string) {
	n, was := c.Status().Applied, Failover{}
	switch {
	case w.now != nil:
		was = *w.now
	case n == w.applied:
		return nil
	}
	is := was
	if n != w.applied {
		w.applied = n
		if st := c.FailoverState(); was.State == nil || !reflect.DeepEqual(st, *was.State) {
			is.State = &st
		}
	}
	for in := range core.Each(in) {
		if _, ok := in.(core.FailoverServer); ok {
			v, _ := c.FailoverServer()
			is.Server = &v
		}
	}
	if out != nil && (was.Decided == nil || !reflect.DeepEqual(out, was.Decided)) {
		is.Decided = out
	}
	if is == was || w.now == nil && reflect.DeepEqual(*is.State, failover.State{}) {
		return nil
	}
	w.now = &is
	if is.State == was.State {
		return nil
	}
	if was.State == nil {
		was.State = &failover.State{}
	}
	return logged(was.State, is.State)
}

// ServerState is what a server is to the cluster, in a word.
type ServerState uint8

// The states of a server. Of a node that has none, or has not reported it, nothing is
// known.
const (
	ServerUnknown     ServerState = iota
	ServerStandby                 // in recovery, without a source of WAL
	ServerFollowing               // in recovery, and streams
	ServerSealed                  // an epoch begins: it takes no WAL
	ServerRejoining               // its data is to be made anew
	ServerPromoting               // an epoch was granted to it
	ServerOpening                 // it has promoted, and waits for its sync set
	ServerPrimary                 // it serves
	ServerFenced                  // it is not in recovery, and no commit is acknowledged
	ServerQuarantined             // its data is not to be used
	serverStates                  // how many there are
)

var serverStateNames = [...]string{"unknown", "standby", "following", "sealed", "rejoining", "promoting", "opening", "primary", "fenced", "quarantined"}

func (s ServerState) String() string { return serverStateNames[s] }

// ServerStates are all of them, in order.
func ServerStates() (l []ServerState) {
	for s := range serverStates {
		l = append(l, s)
	}
	return l
}

// ServerState judges the server of a node whose core has this status; f may be nil.
func (f *Failover) ServerState(st core.Status) ServerState {
	if f == nil || f.Server == nil || f.Decided == nil || f.State.Mode == failover.ModeOff {
		return ServerUnknown
	}
	v, e, fence := f.Server, &f.State.Epoch, &f.Decided.Shared
	mine := e.Stage >= failover.StageGranted && e.Primary == st.RaftID
	if m := f.State.Member(st.RaftID); m != nil && m.Quarantined != failover.NotQuarantined {
		return ServerQuarantined
	}
	switch {
	case v.Recovery:
		return f.recovering(mine)
	case fence.Open && fence.LeaseCounts && st.LeaseTicks > 0:
		return ServerPrimary
	case mine && e.Stage < failover.StageOpen && len(v.History) > 0 && v.History[len(v.History)-1].Timeline == e.Timeline:
		return ServerOpening
	}
	return ServerFenced
}

// recovering is ServerState for a server in recovery; mine says that the newest epoch is
// its own.
func (f *Failover) recovering(mine bool) ServerState {
	v, e := f.Server, &f.State.Epoch
	for _, o := range f.Decided.Orders {
		if _, ok := o.(failover.Rejoin); ok {
			return ServerRejoining
		}
	}
	switch {
	case v.Streaming:
		return ServerFollowing
	case mine && e.Stage == failover.StageGranted:
		return ServerPromoting
	case (e.Stage == failover.StageBegun || e.Stage == failover.StageGranted) && v.Sealed+1 >= e.Number:
		return ServerSealed
	}
	return ServerStandby
}
