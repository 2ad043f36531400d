package node_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/node"
)

// Failover is enabled on the server that takes writes, whoever leads, and each call works on any
// node.
func TestOperatorEnablesFailover(t *testing.T) {
	f := newFailing(t, 3)
	must[any](t, "leadership to node 2")(nil, f.leader().TransferLeader(soon(t), 2))
	var lacks *node.LackError
	if err := f.all[1].m.EnableFailover(soon(t), system); !errors.As(err, &lacks) || lacks.Lacks[0].Reason != failover.LackPrimary {
		t.Fatalf("on a standby: %v", err)
	}
	wantVoid(t, f.all[2].m.DisableFailover(soon(t)), failover.VoidOff)
	must[any](t, "enabling")(nil, f.all[0].m.EnableFailover(soon(t), system))
	if v := f.primary(1); v != f.all[0] {
		t.Fatalf("node %d serves", v.m.cfg.NodeID)
	}
	f.commits(f.all[0], 5)
	wantVoid(t, f.all[0].m.EnableFailover(soon(t), system), failover.VoidEnabled)
	x := f.looks(f.all[2])
	if len(x.State.Epoch.Set.Members) != 2 || x.State.Epoch.Set.W != 1 || x.TakesWrites() != x.Primary() || core.NodeID(x.Primary()) != 1 {
		t.Errorf("it is enabled with %+v, node %d takes writes", x.State.Epoch, core.NodeID(x.TakesWrites()))
	}

	must[any](t, "disabling, on a standby")(nil, f.all[1].m.DisableFailover(soon(t)))
	eventually(t, "all servers to be released", func() error {
		f.servers.mu.Lock()
		defer f.servers.mu.Unlock()
		for _, v := range f.all {
			if v.data.Joined || v.shared.Failover {
				return errors.New(f.describe())
			}
		}
		return nil
	})
	f.commits(f.all[0], 2)
	f.wantAll(f.all[0])
}

// What is missing is said, member by member, and nobody has joined for nothing.
func TestOperatorLearnsWhatIsMissing(t *testing.T) {
	f := newFailing(t, 3)
	f.servers.mu.Lock()
	f.all[2].recovery, f.all[2].source = false, ""
	f.servers.mu.Unlock()
	two, three := f.looks(f.all[1]).RaftID, f.looks(f.all[2]).RaftID
	f.all[1].m.stop()
	eventually(t, "node 1 to see both", func() error {
		x := f.looks(f.all[0])
		if told := x.Told(three); x.Told(two) != nil || told == nil || told.Recovery || x.Lead == 0 {
			return fmt.Errorf("node 1 knows %+v", x.Said)
		}
		return nil
	})
	var lacks *node.LackError
	err := f.all[0].m.EnableFailover(soon(t), system)
	want := []failover.Lack{{Member: two, Reason: failover.LackAway}, {Member: three, Reason: failover.LackRecovery}}
	if !errors.As(err, &lacks) || !reflect.DeepEqual(lacks.Lacks, want) {
		t.Errorf("%v: %+v, want %+v", err, lacks, want)
	}
	f.servers.mu.Lock()
	defer f.servers.mu.Unlock()
	for _, v := range f.all {
		if v.data.Joined {
			t.Errorf("node %d has joined", v.m.cfg.NodeID)
		}
	}
}

// A standby whose server does not answer keeps failover from being enabled; the call names it
// as its time is up, and the primary, which joins last, has not.
func TestOperatorWaitsForWhoDoesNotJoin(t *testing.T) {
	f := newFailing(t, 3)
	f.servers.mu.Lock()
	f.all[1].fails = errors.New("no space left on device")
	f.servers.mu.Unlock()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	var lacks *node.LackError
	err := f.all[0].m.EnableFailover(ctx, system)
	if !errors.As(err, &lacks) || len(lacks.Lacks) != 1 || core.NodeID(lacks.Lacks[0].Member) != 2 || lacks.Lacks[0].Reason != failover.LackJoined {
		t.Fatalf("%v: %+v", err, lacks)
	}
	f.servers.mu.Lock()
	joined := f.all[0].data.Joined
	f.all[1].fails = nil
	f.servers.mu.Unlock()
	if joined {
		t.Error("the primary has joined")
	}
	must[any](t, "enabling")(nil, f.all[0].m.EnableFailover(soon(t), system))
	f.primary(1)
}

// The settings are the cluster's: changed on one node, read on another.
func TestOperatorChangesSettings(t *testing.T) {
	f := newFailing(t, 3)
	p, other := f.all[0].m, f.all[2].m
	mode, s, err := other.FailoverSettings(soon(t), node.FailoverChange{})
	if err != nil || mode != failover.ModeOff || s != failover.DefaultSettings() {
		t.Errorf("before: %v, %+v, %v", mode, s, err)
	}
	change := node.FailoverChange{Mode: new(failover.ModeManual), SyncTimeout: new(30 * time.Second)}
	_, _, err = other.FailoverSettings(soon(t), change)
	wantVoid(t, err, failover.VoidOff)
	must[any](t, "enabling")(nil, p.EnableFailover(soon(t), system))
	f.primary(1)
	mode, s, err = other.FailoverSettings(soon(t), change)
	want := failover.DefaultSettings()
	if want.SyncTimeoutMillis = 30_000; err != nil || mode != failover.ModeManual || s != want {
		t.Errorf("changed to %v, %+v, %v", mode, s, err)
	}
	if mode, s, err = other.FailoverSettings(soon(t), node.FailoverChange{}); err != nil || mode != failover.ModeManual || s != want {
		t.Errorf("read where it was changed: %v, %+v, %v", mode, s, err)
	}
	must[uint64](t, "a read point")(p.ReadBarrier(soon(t)))
	if mode, s, err = p.FailoverSettings(soon(t), node.FailoverChange{}); err != nil || mode != failover.ModeManual || s != want {
		t.Errorf("read on another node: %v, %+v, %v", mode, s, err)
	}
	_, _, err = p.FailoverSettings(soon(t), node.FailoverChange{SyncCount: new(uint32(65))})
	wantVoid(t, err, failover.VoidSettings)
}

// An operator has a standby take over: a member that is not there, or is none, is refused, and
// nothing that was acknowledged is lost.
func TestOperatorFailsOver(t *testing.T) {
	t.Parallel() // it mostly waits
	f := newFailing(t, 3)
	must[any](t, "enabling")(nil, f.all[0].m.EnableFailover(soon(t), system))
	p := f.primary(1)
	f.commits(p, 5)
	if err := f.all[1].m.FailOverTo(soon(t), 9); !errors.Is(err, node.ErrNoSuchNode) {
		t.Errorf("to node 9: %v", err)
	}
	wantVoid(t, f.all[1].m.Switchover(soon(t), 1, time.Second), failover.VoidPrimary)
	wantVoid(t, f.all[1].m.FailOverTo(soon(t), 1), failover.VoidPrimary)
	must[any](t, "failing over")(nil, f.all[1].m.FailOverTo(soon(t), 3))
	if v := f.primary(2); v != f.all[2] {
		t.Fatalf("node %d serves", v.m.cfg.NodeID)
	}
	f.wantAll(f.all[2])
	f.commits(f.all[2], 5)
	past := f.looks(f.all[2]).State.Past
	if len(past) != 2 || core.NodeID(past[1].Primary) != 3 || past[1].Opened == 0 || !past[1].Loss.None() {
		t.Errorf("the history is %+v", past)
	}
}

// A switchover to whom this node picks: no commit fails, nothing is lost, and the old primary
// comes back as a standby. One to a standby that does not stream is given up, and commits go on.
func TestOperatorSwitchesOver(t *testing.T) {
	f := newFailing(t, 3)
	must[any](t, "enabling")(nil, f.all[0].m.EnableFailover(soon(t), system))
	p := f.primary(1)
	f.commits(p, 5)
	id := f.looks(p).RaftID
	f.servers.mu.Lock()
	f.all[2].fails, f.all[2].source = errors.New("its socket is gone"), ""
	f.servers.mu.Unlock()
	var givenUp *node.GivenUpError
	if err := f.all[1].m.Switchover(soon(t), 3, 500*time.Millisecond); !errors.As(err, &givenUp) {
		t.Fatalf("to a standby that does not stream: %v", err)
	}
	f.servers.mu.Lock()
	f.all[2].fails = nil
	f.servers.mu.Unlock()
	f.follows(f.all[2], p)
	f.commits(p, 5)
	done := make(chan error, 1)
	go func() { done <- f.all[1].m.Switchover(soon(t), 0, 10*time.Second) }()
	select {
	case <-p.stops:
	case err := <-done:
		t.Fatalf("the switchover, before the primary has stopped: %v", err)
	case <-time.After(patience):
		t.Fatal("the primary does not stop")
	}
	must[any](t, "the end of the engine")(nil, p.m.Kill())
	p.boot()
	p.m.open()
	if err := <-done; err != nil {
		t.Fatalf("the switchover: %v", err)
	}
	next := f.primary(2)
	if x := f.looks(f.all[1]); next == p || x.Primary() == id {
		t.Errorf("node %d serves", next.m.cfg.NodeID)
	}
	f.wantAll(next)
	f.commits(next, 3)
	f.follows(p, next)
	f.wantAll(p)
}

// What only members have that are gone is given up on an operator's word alone, and the log
// names it.
func TestOperatorGivesUp(t *testing.T) {
	t.Parallel() // it mostly waits
	f := newFailing(t, 3)
	must[any](t, "enabling")(nil, f.all[0].m.EnableFailover(soon(t), system))
	p := f.primary(1)
	if _, _, err := p.m.FailoverSettings(soon(t), node.FailoverChange{Durability: new(failover.Preferred), Delay: new(time.Second)}); err != nil {
		t.Fatal(err)
	}
	f.commits(p, 5)
	f.servers.mu.Lock()
	f.all[1].fails = errors.New("the server of node 2 hangs")
	f.servers.mu.Unlock()
	p.kill()
	must[any](t, "the end of node 1")(nil, p.m.Kill())
	p.m.stop()
	x := f.looks(f.all[2])
	one, two := x.State.Epoch.Primary, f.looks(f.all[1]).RaftID
	loss := must[failover.Loss](t, "failing over with a loss")(f.all[2].m.FailOverWithLoss(soon(t), 3))
	if !slices.Contains(loss.Missing, one) || !slices.Contains(loss.Missing, two) {
		t.Errorf("given up is %+v, want what only nodes 1 and 2 may have", loss)
	}
	if v := f.primary(2); v != f.all[2] {
		t.Fatalf("node %d serves", v.m.cfg.NodeID)
	}
	x = f.looks(f.all[2])
	if last := x.State.Past[len(x.State.Past)-1]; !reflect.DeepEqual(last.Loss, loss) {
		t.Errorf("the log names %+v", last.Loss)
	}
	f.commits(f.all[2], 3)
}

// A quarantine is ended by an operator, on any node.
func TestOperatorClearsAQuarantine(t *testing.T) {
	f := newFailing(t, 3)
	must[any](t, "enabling")(nil, f.all[0].m.EnableFailover(soon(t), system))
	f.primary(1)
	id := f.looks(f.all[2]).RaftID
	must[any](t, "a quarantine")(nil, f.all[0].m.Operate(soon(t), failover.Quarantine{Member: id, Reason: failover.QuarantinedByOperator}))
	must[any](t, "its end")(nil, f.all[1].m.ClearQuarantine(soon(t), 3))
	x := f.looks(f.all[1])
	if m := x.State.Member(id); m.Quarantined != failover.NotQuarantined {
		t.Errorf("it is still %v", m.Quarantined)
	}
	wantVoid(t, f.all[1].m.ClearQuarantine(soon(t), 3), failover.VoidKnown)
}

// A node that takes no part says so, and shows that failover is off.
func TestOperatorOfANodeWithoutAPart(t *testing.T) {
	m := newMember(t, 1).open().init(true)
	for what, err := range map[string]error{
		"enable": m.EnableFailover(soon(t), system), "disable": m.DisableFailover(soon(t)), "failover": m.FailOverTo(soon(t), 1),
		"switchover": m.Switchover(soon(t), 0, time.Second), "clear": m.ClearQuarantine(soon(t), 1),
	} {
		if !errors.Is(err, node.ErrNoPart) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if x, err := m.Failover(soon(t)); err != nil || x.Boot != 0 || x.Primary() != 0 || x.State.Mode != failover.ModeOff {
		t.Errorf("%+v, %v", x, err)
	}
}

func wantVoid(t *testing.T, err error, want failover.Void) {
	t.Helper()
	var void *node.VoidError
	if !errors.As(err, &void) || void.Void != want || !strings.Contains(err.Error(), want.String()) {
		t.Errorf("%v, want %v", err, want)
	}
}

// stopsFast ends a server as a fast shutdown does: its standbys have all of its WAL, and see that.
// The caller holds mu.
func (v *server) stopsFast() {
	v.flushed = len(v.wal)
	for _, o := range v.x.all {
		if o.up && o.sender() == v {
			o.wal = append(o.wal, v.wal[len(o.wal):]...)
			o.flushed, o.mem.Ended = len(o.wal), true
		}
	}
	v.up = false
	v.closes()
	close(v.stops)
}

// looks is what a server's node knows of failover.
func (f *failing) looks(v *server) node.Failover {
	f.servers.t.Helper()
	return must[node.Failover](f.servers.t, "looking at failover")(v.m.Failover(soon(f.servers.t)))
}
