package node

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/pgraft/pgraft/core"
)

// The runner as core.Host.

// boottime makes a raw call, as it cannot block: see quietConn in transport.
func boottime() time.Duration {
	var ts unix.Timespec
	if _, _, errno := unix.RawSyscall(unix.SYS_CLOCK_GETTIME, unix.CLOCK_BOOTTIME, uintptr(unsafe.Pointer(&ts)), 0); errno != 0 {
		panic(fmt.Sprintf("clock_gettime(CLOCK_BOOTTIME): %v", errno))
	}
	return time.Duration(ts.Nano())
}

func (r *runner) Clock() *core.Clock { return &r.clock }

// Removed has serve end this node's membership: that waits for the disk.
func (r *runner) Removed() { r.leaving = true }

func (r *runner) Publish(s core.Status, leaseEnd int64) {
	r.n.stats.changed(r.known, s)
	r.known = s
	st := Status{State: Running, Core: s, LeaderNode: core.NodeID(s.Lead), LeaseExpiry: leaseEnd}
	r.expiry = leaseEnd
	if m := r.core.Members().Get(s.Lead); m != nil {
		st.LeaderHost, st.LeaderPort = m.GetAddress(), m.GetPort()
	}
	r.n.publish(r, st)
}

// Failover has every commit go by what was decided before anything that rests on it leaves; the
// host of the server does the rest. Until the server was reported what is there is of its boot, or
// of an engine's end (host.Unknown): that knows whether the server takes part, and this core does not.
func (r *runner) Failover(out core.FailoverOutput) {
	r.decided = out
	if _, ok := r.core.FailoverServer(); ok {
		primary, address := r.core.FailoverPrimary()
		r.n.publishShared(r, out.Shared, primary, address)
	}
	if r.part, r.partWas = r.core.FailoverPart(r.partWas[:0]), r.part; !slices.Equal(r.part, r.partWas) {
		poke(r.n.part)
	}
	r.host.take(out)
}

// RecordInput and RecordOutput make it a core.Recorder.
func (r *runner) RecordInput(in core.Input)    { r.n.rec.Input(in) }
func (r *runner) RecordOutput(out core.Output) { r.n.rec.Output(out) }

func (r *runner) Persist(b []core.Persist) {
	r.n.stats.persisted(b)
	r.disk.add(b)
}

// Send gathers what a step sends: see flush. Who waits for a reply gets that first.
func (r *runner) Send(s core.Send) {
	if s.Snapshot {
		r.n.stats.snapshotsSent.Add(1)
	}
	r.sends = append(r.sends, s)
}

// flush gives what was gathered to the network, in as few writes as there are members.
func (r *runner) flush() {
	if len(r.sends) > 0 {
		r.n.net.Send(r.sends...)
		clear(r.sends)
		r.sends = r.sends[:0]
	}
}

// Apply has nothing to wait for: apply workers read the log store at a pace of
// their own.
func (r *runner) Apply(as []core.Apply) (taken bool) {
	r.n.stats.applied(as)
	return true
}

func (r *runner) Reply(rep core.Reply) {
	if x := r.waiting[rep.ID]; x != nil {
		delete(r.waiting, rep.ID)
		delete(r.kept.gathered, rep.ID)
		x.replied(rep)
		_, call := x.(*Call)
		r.answered = r.answered || call
	}
}

func (r *runner) Event(e core.Event) {
	level := map[core.Level]slog.Level{core.Debug: slog.LevelDebug, core.Info: slog.LevelInfo, core.Warning: slog.LevelWarn}[e.Level]
	r.n.cfg.Logger.Log(context.Background(), level, e.Text)
}

func (r *runner) MembersChanged(m core.Members) {
	r.flush()
	r.n.mu.Lock()
	defer r.n.mu.Unlock()
	if r.n.state == Running && r.n.run == r { // a node that stopped has no peers
		r.n.members = m
		r.n.setPeers()
	}
}
