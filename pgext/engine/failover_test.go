package main

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/node"
)

func TestFailoverChange(t *testing.T) {
	got, err := failoverChange("mode=manual\ndurability=async\nsync_count=2\nfailover_delay=1500\nsync_timeout=86400000\nmaximum_lag=4\n")
	want := node.FailoverChange{Mode: new(failover.ModeManual), Durability: new(failover.Async), SyncCount: new(uint32(2)),
		Delay: new(1500 * time.Millisecond), SyncTimeout: new(24 * time.Hour), MaximumLag: new(uint64(4))}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := failoverChange(""); err != nil || !got.None() {
		t.Errorf("nothing is read as %+v, %v", got, err)
	}
	for text, want := range map[string]string{
		"mode=founding\n": "invalid mode: founding", "mode=\n": "invalid mode: ", "durability=Async\n": "invalid durability: Async",
		"sync_count=65\n": "invalid sync_count: 65", "sync_count=-1\n": "invalid sync_count: -1", "failover_delay=0\n": "invalid failover_delay: 0 ms",
		"sync_timeout=86400001\n": "invalid sync_timeout: 86400001 ms", "maximum_lag=3\n": "invalid maximum_lag: 3",
		"maximum_lag=1099511627777\n": "invalid maximum_lag: 1099511627777",
	} {
		var failed *sqlError
		if _, err := failoverChange(text); !errors.As(err, &failed) || failed.state != "22023" || failed.message != want || failed.detail == "" {
			t.Errorf("%q: %+v, want %q", text, failed, want)
		}
	}
}

// Each failure of failover says what it is, and what there is to do.
func TestFailoverErrors(t *testing.T) {
	for _, x := range []struct {
		err                  error
		state, message, rest string
	}{
		{&node.VoidError{Void: failover.VoidOff}, "55000", "failover is off", "pgraft_enable_failover()"},
		{&node.VoidError{Void: failover.VoidSettings}, "22023", "a setting is out of its range", "pgraft_failover_settings()"},
		{&node.VoidError{Void: failover.VoidUnknown}, "42704", "that is no member", "pgraft_stat_failover"},
		{&node.UnderWayError{What: "the switchover", Why: failover.Why{Reason: failover.ReportsMissing, Members: []uint64{2}}}, "40003",
			"the switchover is still under way", "It waits: reports are missing of members that may have commits which no other has: node 2."},
		{&node.UnderWayError{What: "the failover"}, "40003", "the failover is still under way", "pgraft_stat_failover"},
		{&node.GivenUpError{What: "the failover"}, "55000", "the failover was given up", "did not become the primary"},
		{fmt.Errorf("%w: %d", node.ErrNoSuchNode, 9), "42704", "no member has that node id: 9", "pgraft_get_nodes()"},
		{node.ErrNoPart, "55000", "this server takes no part in failover", "Set \"pgraft.failover\" to on"},
	} {
		s := failoverError(x.err)
		if s == nil || s.state != x.state || !strings.Contains(s.message, x.message) || !strings.Contains(s.detail+s.hint, x.rest) {
			t.Errorf("%v: %+v", x.err, s)
		}
	}
	if s := failoverError(node.ErrNotRunning); s != nil {
		t.Errorf("what is of another kind is taken: %+v", s)
	}
}

// What is missing is listed, a line for each member.
func TestLackIsListed(t *testing.T) {
	e := newEngine(config{}, nil, func(*status) {})
	err := e.lacks(t.Context(), nil, &node.LackError{Lacks: []failover.Lack{{Member: 2, Reason: failover.LackAway}, {Member: 0, Reason: failover.LackStandbys}}})
	var s *sqlError
	want := "Node 2 is not there.\nThere are fewer standbys on the primary's timeline than sync_count."
	if !errors.As(err, &s) || s.state != "55000" || s.detail != want || s.hint == "" {
		t.Errorf("%+v, want %q", s, want)
	}
	if err := e.lacks(t.Context(), nil, node.ErrNoPart); err != node.ErrNoPart {
		t.Errorf("%v", err)
	}
}

func TestFailoverHistoryRows(t *testing.T) {
	s := failover.State{Past: []failover.Past{
		{Epoch: 1, Primary: 1, Timeline: 3, From: failover.Position{Epoch: 1, LSN: 0x1000000}, Granted: 9, Opened: 12},
		{Epoch: 2, Primary: 1<<32 | 2, Timeline: 4, From: failover.Position{Epoch: 1, LSN: 0x100000028}, Granted: 20, GivenUp: 500, Kept: 400,
			Loss: failover.Loss{Greater: []failover.Reported{{Member: 3, Position: failover.Position{Epoch: 1, LSN: 0x200}}}, Missing: []uint64{1}}},
	}}
	want := [][]any{
		{uint64(2), uint32(2), uint32(4), uint64(1), "1/28", uint64(20), nil, uint64(100), "what node 3 has up to 0/200 of epoch 1; what only node 1 may have"},
		{uint64(1), uint32(1), uint32(3), uint64(1), "0/1000000", uint64(9), uint64(12), nil, nil},
	}
	if got := failoverHistory(&s).rows; !reflect.DeepEqual(got, want) {
		t.Errorf("%v\nwant\n%v", got, want)
	}
}

// viewOf is a cluster of a primary, node 1, whose epoch is open, standbys 2 and 3, and a
// witness, as node 1 knows it.
func viewOf() *node.Failover {
	data := func(id uint64) failover.Member {
		return failover.Member{ID: id, Data: true, Joined: true, Priority: 100, Address: "host"}
	}
	f := &node.Failover{RaftID: 1, Lead: 1, Voters: []uint64{1, 2, 3, 4}, Boot: 7, SilentAfter: time.Second,
		Server: &failover.Server{Joined: true, History: []failover.Branch{{Timeline: 1}, {Timeline: 5, Begin: 100}}, End: 0x3000, Flushed: 0x3000,
			Senders: []failover.Sender{{Token: failover.Token{Epoch: 4, Member: 2}}}},
		State: failover.State{Mode: failover.ModeOn, Members: []failover.Member{data(1), data(2), data(3)},
			Epoch: failover.Epoch{Number: 4, Stage: failover.StageOpen, Primary: 1, Timeline: 5, Set: failover.Set{W: 1, Members: []uint64{2}}}}}
	for id := uint64(1); id <= 4; id++ {
		f.Members = append(f.Members, core.MemberStatus{Member: &corepb.Member{RaftId: id}})
	}
	told := failover.Told{Server: true, Recovery: true, Timeline: 5, End: 0x2000}
	f.Said = []failover.Said{{Member: 2, Told: told}, {Member: 3, Told: told}, {Member: 4}}
	return f
}

// standsAlone has the view be that of node 2, a standby that has not heard of its primary since it started.
func standsAlone(f *node.Failover, lead uint64) {
	f.RaftID, f.Lead, f.Said = 2, lead, f.Said[1:]
	f.Server = &failover.Server{Joined: true, Recovery: true, History: f.Server.History, End: 0x2000}
	f.Why = failover.Why{Reason: failover.NotAnnounced, Members: []uint64{2}}
	if lead == f.RaftID {
		f.Nobody = failover.Why{Reason: failover.NobodyCouldPass, Members: []uint64{1}}
	}
}

func TestStatFailoverRows(t *testing.T) {
	one, two, three, four := uint32(1), uint32(2), uint32(3), uint32(4)
	for _, x := range []struct {
		name  string
		spoil func(*node.Failover)
		id    uint32
		want  []any // behind node_id
	}{
		{"it serves", func(*node.Failover) {}, one, []any{"primary", "serving", uint64(4), uint32(5), "0/3000", nil, false, true, nil}},
		{"it streams", func(*node.Failover) {}, two, []any{"standby", "streaming", uint64(4), uint32(5), "0/2000", uint64(0x1000), true, true, nil}},
		{"it waits", func(*node.Failover) {}, three, []any{"standby", "waiting", uint64(4), uint32(5), "0/2000", uint64(0x1000), false, true, nil}},
		{"it has no server", func(*node.Failover) {}, four, []any{"witness", "running", uint64(4), nil, nil, nil, false, false, nil}},
		{"it says nothing", func(f *node.Failover) { f.Said[0].Millis = 1000 }, two,
			[]any{"standby", "away", uint64(4), nil, nil, nil, true, true, "it is away, or takes no part in failover"}},
		{"it had diverged", func(f *node.Failover) {
			f.Said[0].Millis, f.Said[0].Told.Timeline = 1000, 1
			f.State.Forks = []failover.Fork{{Timeline: 1}, {Timeline: 5, Parent: 1, Switch: 0x1800}}
		}, two, []any{"standby", "away", uint64(4), nil, nil, nil, true, true,
			"it is away, and its WAL had diverged when it was heard last: its data may be being made anew"}},
		{"it has diverged", func(f *node.Failover) {
			f.Said[0].Told.Timeline = 1
			f.State.Forks = []failover.Fork{{Timeline: 1}, {Timeline: 5, Parent: 1, Switch: 0x1800}}
		}, two, []any{"standby", "streaming", uint64(4), uint32(1), "0/2000", uint64(0x1000), true, true,
			"its WAL has diverged from the primary's: its data has to be made anew, and its log says what becomes of that"}},
		{"it is quarantined", func(f *node.Failover) { f.State.Members[2].Quarantined = failover.QuarantinedStoreLost }, three,
			[]any{"standby", "quarantined", uint64(4), uint32(5), "0/2000", uint64(0x1000), false, false,
				"its Raft store has lost data, so nothing says what its data was: remove it from the cluster, and join it anew"}},
		{"it is never to be the primary", func(f *node.Failover) { f.State.Members[2].Priority = 0 }, three,
			[]any{"standby", "waiting", uint64(4), uint32(5), "0/2000", uint64(0x1000), false, false, "has \"pgraft.failover_priority\" 0"}},
		{"its primary has no lease", func(f *node.Failover) { f.Why = failover.Why{Reason: failover.NoLease, Members: []uint64{1}} }, one,
			[]any{"primary", "serving", uint64(4), uint32(5), "0/3000", nil, false, true, "this primary does not lead, or has no lease: node 1"}},
		{"its primary is away", func(f *node.Failover) { standsAlone(f, 4) }, two,
			[]any{"standby", "waiting", uint64(4), uint32(5), "0/2000", nil, true, true, "the primary is away: node 1"}},
		{"its primary is away, and it leads", func(f *node.Failover) { standsAlone(f, 2) }, two,
			[]any{"standby", "waiting", uint64(4), uint32(5), "0/2000", nil, true, true, "members are away that may have commits which no other has: node 1"}},
		{"it promotes", func(f *node.Failover) {
			f.State.Epoch.Stage, f.State.Epoch.Primary, f.Server.Recovery = failover.StageGranted, 2, true
		}, two, []any{"primary", "promoting", uint64(4), uint32(5), "0/2000", nil, false, true, nil}},
		{"an epoch begins", func(f *node.Failover) {
			f.State.Epoch = failover.Epoch{Number: 5, Stage: failover.StageBegun}
			f.Said[1].Told.Sealed = 4
		}, three, []any{"standby", "sealed", uint64(5), uint32(5), "0/2000", uint64(0x1000), false, true, nil}},
		{"failover is off", func(f *node.Failover) { f.State = failover.State{} }, three,
			[]any{"standby", "failover is off", nil, uint32(5), "0/2000", uint64(0x1000), false, false, "has not noted yet that it takes part"}},
	} {
		f := viewOf()
		x.spoil(f)
		rows := statFailover(f).rows
		if want := append([]any{x.id}, x.want...); len(rows) != 4 || !reflect.DeepEqual(rows[x.id-1], want) {
			t.Errorf("%s:\n%v\nwant\n%v", x.name, rows, want)
		}
	}
	f := viewOf()
	if f.Boot = 0; len(statFailover(f).rows) != 0 {
		t.Errorf("a node that takes no part shows %v", statFailover(f).rows)
	}
}
