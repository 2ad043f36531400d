package core_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/core/retain"
)

// chainOf runs a random cluster and sums up every output in it.
func chainOf(seed uint64, steps int) core.Chain {
	x := newRandom(seed)
	var chain core.Chain
	x.onStep = func(_ *node, _ core.Input, out core.Output) { chain.Add(&out) }
	x.steps(steps)
	x.settle()
	return chain
}

const (
	chainSeeds = 4
	chainSteps = 2500
	// chainEnv makes the test binary, started again, print its sums.
	chainEnv = "PGRAFT_TEST_PRINT_CHAINS"
)

func chains() []core.Chain {
	l := make([]core.Chain, chainSeeds)
	for seed := range l {
		c := chainOf(uint64(seed), chainSteps)
		l[seed] = core.Chain{Sum: c.Sum, Steps: c.Steps}
	}
	return l
}

// The same inputs give the same outputs: once more, side by side, and in another
// process.
func TestSameInputsSameBytes(t *testing.T) {
	want := chains()
	if os.Getenv(chainEnv) != "" {
		fmt.Printf("chains %v\n", want)
		return
	}
	for i, c := range want {
		if c.Steps < chainSteps/2 || slices.IndexFunc(want, func(o core.Chain) bool { return o.Sum == c.Sum }) != i {
			t.Fatalf("the runs are not what they should be: %v", want)
		}
	}
	if got := chains(); !slices.EqualFunc(got, want, sameChain) {
		t.Errorf("once more: %v, want %v", got, want)
	}
	var wg sync.WaitGroup
	side := make([][]core.Chain, 3)
	for i := range side {
		wg.Go(func() { side[i] = chains() })
	}
	wg.Wait()
	for _, got := range side {
		if !slices.EqualFunc(got, want, sameChain) {
			t.Errorf("side by side: %v, want %v", got, want)
		}
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestSameInputsSameBytes$", "-test.timeout=60s")
	cmd.Env = append(os.Environ(), chainEnv+"=1")
	out, err := cmd.CombinedOutput()
	if line := fmt.Sprintf("chains %v\n", want); err != nil || !strings.Contains(string(out), line) {
		t.Errorf("in another process: %v\n%s\nwant %s", err, out, line)
	}
}

func sameChain(a, b core.Chain) bool { return a.Sum == b.Sum && a.Steps == b.Steps }

// A chain differs when one byte, or the order, does; and can be resumed.
func TestChainSeesDifferences(t *testing.T) {
	base := func() core.Output {
		return core.Output{
			Persist: []core.Persist{{Seq: 1, Entries: []core.Entry{{Index: 3, Term: 2, Data: []byte("x")}}, HardState: &core.HardState{Term: 2}, Sync: true}},
			Send:    []core.Send{{To: 5, Data: []byte("m")}},
			Apply:   []core.Apply{{Index: 3, Term: 2, Data: []byte("x")}},
			Reply:   []core.Reply{{ID: 1, Index: 3, Term: 2, Text: "t"}},
			Events:  []core.Event{{Level: core.Info, Text: "e"}},
		}
	}
	sums := map[uint64]string{}
	for name, change := range map[string]func(*core.Output){
		"as it is": func(*core.Output) {},
		"seq":      func(o *core.Output) { o.Persist[0].Seq++ },
		"entry":    func(o *core.Output) { o.Persist[0].Entries[0].Data = []byte("y") },
		"kind":     func(o *core.Output) { o.Persist[0].Entries[0].Kind = core.EntryConfChangeV2 },
		"commit":   func(o *core.Output) { o.Persist[0].HardState.Commit++ },
		"no state": func(o *core.Output) { o.Persist[0].HardState = nil },
		"promise":  func(o *core.Output) { o.Persist[0].PromiseMillis = 1 },
		"sync":     func(o *core.Output) { o.Persist[0].Sync = false },
		"snapshot": func(o *core.Output) { o.Persist[0].Snapshot = &core.Snapshot{Index: 1} },
		"mark":     func(o *core.Output) { o.Persist[0].Mark = &core.Snapshot{Index: 1} },
		"keep":     func(o *core.Output) { o.Persist[0].Keep = 1 },
		"history":  func(o *core.Output) { o.Persist[0].History = []core.Entry{{Index: 2}} },
		"filled":   func(o *core.Output) { o.Persist[0].History = []core.Entry{{Index: 2, Data: []byte("x")}} },
		"two":      func(o *core.Output) { o.Send = append(o.Send, o.Send[0]) },
		"to":       func(o *core.Output) { o.Send[0].To++ },
		"message":  func(o *core.Output) { o.Send[0].Data = []byte("n") },
		"is snap":  func(o *core.Output) { o.Send[0].Snapshot = true },
		"applied":  func(o *core.Output) { o.Apply[0].Data = []byte("y") },
		"code":     func(o *core.Output) { o.Reply[0].Code = core.Busy },
		"text":     func(o *core.Output) { o.Reply[0].Text = "u" },
		"event":    func(o *core.Output) { o.Events[0].Level = core.Debug },
		"retained": func(o *core.Output) { o.Retain = &retain.Output{Retain: new(uint64(0))} },
		"from":     func(o *core.Output) { o.Retain = &retain.Output{Retain: new(uint64(1))} },
		"read":     func(o *core.Output) { o.Retain = &retain.Output{Read: []retain.Read{{Ticket: 1}}} },
		"read to":  func(o *core.Output) { o.Retain = &retain.Output{Read: []retain.Read{{Last: 1}}} },
		"export":   func(o *core.Output) { o.Retain = &retain.Output{Export: []uint64{1}} },
		"drop":     func(o *core.Output) { o.Retain = &retain.Output{Drop: []uint64{1}} },
		"part":     func(o *core.Output) { o.Retain = &retain.Output{SendPart: []retain.SendPart{{Size: 1}}} },
		"fetched": func(o *core.Output) {
			o.Retain = &retain.Output{Fetched: []retain.Fetched{{Entries: []retain.Entry{{Index: 2}}}}}
		},
		"begins":     func(o *core.Output) { o.Retain = &retain.Output{Fetched: []retain.Fetched{{First: 2}}} },
		"silent":     func(o *core.Output) { o.Retain = &retain.Output{Fetched: []retain.Fetched{{Silent: []uint64{2}}}} },
		"state part": func(o *core.Output) { o.Retain = &retain.Output{StatePart: []retain.StatePart{{Data: []byte("x")}}} },
		"failover":   func(o *core.Output) { o.Failover = &core.FailoverOutput{} },
		"both": func(o *core.Output) {
			o.Retain, o.Failover = &retain.Output{Retain: new(uint64(0))}, &core.FailoverOutput{}
		},
		"fence": func(o *core.Output) { o.Failover = &core.FailoverOutput{Shared: failover.Shared{Open: true}} },
		"leads": func(o *core.Output) { o.Failover = &core.FailoverOutput{Shared: failover.Shared{LeaseCounts: true}} },
		"set": func(o *core.Output) {
			o.Failover = &core.FailoverOutput{Shared: failover.Shared{Set: failover.Set{W: 1}}}
		},
		"set of": func(o *core.Output) {
			o.Failover = &core.FailoverOutput{Shared: failover.Shared{Set: failover.Set{Members: []uint64{1}}}}
		},
		"announced": func(o *core.Output) {
			o.Failover = &core.FailoverOutput{Shared: failover.Shared{Tokens: []failover.Token{{Member: 1}}}}
		},
		"switchover": func(o *core.Output) {
			o.Failover = &core.FailoverOutput{Shared: failover.Shared{Switchover: 1}}
		},
		"why": func(o *core.Output) { o.Failover = &core.FailoverOutput{Why: failover.Why{Reason: 1}} },
		"whom": func(o *core.Output) {
			o.Failover = &core.FailoverOutput{Why: failover.Why{Reason: 1, Members: []uint64{1}}}
		},
		"nobody":     func(o *core.Output) { o.Failover = &core.FailoverOutput{Nobody: failover.Why{Reason: 1}} },
		"seal":       ordered(failover.Seal{UpTo: 1}),
		"demote":     ordered(failover.Demote{Boot: 1}),
		"names":      ordered(failover.SetNames{Names: failover.Names{W: 1}}),
		"promote":    ordered(failover.Promote{LSN: 1}),
		"history of": ordered(failover.Promote{LSN: 1, History: []failover.Branch{{Timeline: 1}}}),
		"follow":     ordered(failover.Follow{Primary: 1}),
		"as":         ordered(failover.Follow{Primary: 1, Token: failover.Token{Follow: 1}}),
		"notes":      ordered(failover.Follow{Primary: 1, Notes: []failover.Note{{Epoch: 1}}}),
		"rejoin":     ordered(failover.Rejoin{Primary: 1}),
		"rejoin as":  ordered(failover.Rejoin{Primary: 1, Notes: []failover.Note{{Epoch: 1}}}),
		"compare":    ordered(failover.Compare{Member: 1}),
		"crc":        ordered(failover.Compare{Member: 1, Record: failover.Record{CRC: 1}}),
		"watch":      ordered(failover.Watch{Member: 1}),
		"release":    ordered(failover.Release{Epoch: 1}),
		"checkpoint": ordered(failover.Checkpoint{Epoch: 1}),
		"stop":       ordered(failover.Stop{Epoch: 1}),
		"orders":     ordered(failover.Watch{Member: 1}, failover.Watch{Member: 1}),
		"members":    func(o *core.Output) { o.MembersChanged = true },
		"nothing":    func(o *core.Output) { *o = core.Output{} },
	} {
		out := base()
		change(&out)
		var c core.Chain
		c.Add(&out)
		if other, ok := sums[c.Sum]; ok {
			t.Errorf("%s and %s have one sum", name, other)
		}
		sums[c.Sum] = name
		resumed := core.Chain{Sum: c.Sum, Steps: c.Steps}
		c.Add(&core.Output{})
		if resumed.Add(&core.Output{}); !sameChain(resumed, c) {
			t.Errorf("%s: %+v resumed, %+v otherwise", name, resumed, c)
		}
	}
}

func ordered(l ...failover.Order) func(*core.Output) {
	return func(o *core.Output) { o.Failover = &core.FailoverOutput{Orders: l} }
}

// inputs is one of each kind, every field set.
func inputs() []core.Input {
	id := [16]byte{1, 2, 3, 15: 9}
	return []core.Input{
		core.Tick{}, core.Receive{From: 1 << 33, Data: []byte("m")}, core.Propose{ID: 1, RequestID: id, Data: []byte("d")},
		core.AddNode{ID: 2, NodeID: 3, Address: "h\xff", Port: 4, ReplicaUUID: id, Newest: 5}, core.RemoveNode{ID: 5, NodeID: 6},
		core.ReplaceNode{ID: 7, OldNodeID: 8, NodeID: 9, Address: "h", Port: 10, ReplicaUUID: id, Newest: 11}, core.TransferLeader{ID: 11, NodeID: 12},
		core.ReadBarrier{ID: 13}, core.ConfirmLeader{ID: 14}, core.WaitApplied{ID: 15, Index: 16}, core.Cancel{ID: 17},
		core.Persisted{Seq: 18, First: 17}, core.Applied{Index: 19}, core.PeerUnreachable{RaftID: 20}, core.PeerClosed{RaftID: 20, Closed: true}, core.SnapshotSent{RaftID: 21, OK: true}, core.RemovedByPeer{}, core.Stop{}, core.DiskFull{Full: true},
		core.Needs{From: 22, Importable: true}, core.FetchHistory{ID: 23, After: 24, Last: 25},
		core.HistoryRead{Ticket: 26, First: 27, Failed: true, Entries: []core.Entry{{Index: 28, Term: 29, Kind: core.EntryConfChangeV2, Data: []byte("d")}, {Index: 1 << 40, Data: bytes.Repeat([]byte("e"), 300)}, {Term: 1}}},
		core.FetchState{ID: 30}, core.Exported{Ticket: 31, Size: 32},
		core.FailoverServer{Server: failover.Server{Recovery: true, Joined: true, Address: "h\xff", Priority: 33, Sealed: 34,
			History: []failover.Branch{{Timeline: 1}, {Timeline: 2, Begin: 35}}, End: 36, Record: failover.Record{LSN: 36, CRC: 37},
			Names: failover.Names{Epoch: 38, Members: []uint64{39, 40}}, Senders: []failover.Sender{{Token: failover.Token{Epoch: 41}, Flushed: 42}}}},
		core.FailoverPort{Port: failover.Port{Member: 43, Epoch: 44, Answers: true, Refuses: true, Reset: true}},
		core.ProposeFailover{ID: 47, RequestID: [16]byte{49}, Entry: failover.Quarantine{Member: 48, Reason: failover.QuarantinedByOperator}},
		core.FailoverJoin{Joining: failover.JoinAll},
		core.FailoverCompared{Compared: failover.Compared{Member: 45, Boot: 46, Have: true, Equal: true}},
		core.Batch{Inputs: []core.Input{core.Propose{ID: 33, RequestID: id, Data: []byte("d")}, core.RemovedByPeer{}, core.Cancel{ID: 34},
			core.Receive{From: 35, Data: bytes.Repeat([]byte("m"), 300)}}},
	}
}

func TestInputBytes(t *testing.T) {
	for _, in := range inputs() {
		b := core.EncodeInput([]byte("before"), in)
		got, err := core.DecodeInput(b[len("before"):])
		if err != nil || !reflect.DeepEqual(got, in) {
			t.Errorf("%T: %+v, %v, want %+v", in, got, err, in)
		}
		if again := core.EncodeInput(nil, got); !bytes.Equal(again, b[len("before"):]) {
			t.Errorf("%T: %x, then %x", in, b, again)
		}
		var m corepb.Input
		if err := proto.Unmarshal(b[len("before"):], &m); err != nil {
			t.Errorf("%T: %v", in, err)
		} else if want, err := proto.Marshal(&m); err != nil || !bytes.Equal(b[len("before"):], want) {
			t.Errorf("%T: %x, protobuf writes %x, %v", in, b[len("before"):], want, err)
		}
		v := reflect.ValueOf(in)
		for i := range v.NumField() {
			if v.Field(i).IsZero() {
				t.Errorf("%T.%s is not set, so this test does not see it", in, v.Type().Field(i).Name)
			}
		}
	}
	for _, b := range [][]byte{nil, {}, {0xff}, {0x1a, 0}, {0xfa, 0x7f, 0}, {0x0a, 0, 0xfa, 0x7f, 0},
		{0xf2, 1, 2, 0x28, 0x7f},                                                          // a server with a damage that there is not
		{0xda, 1, 0}, {0xda, 1, 4, 0x0a, 2, 0x0a, 0}, {0xda, 1, 5, 0x0a, 3, 0xda, 1, 0}} { // batches: empty, of a tick, of a batch

		if in, err := core.DecodeInput(b); err == nil {
			t.Errorf("%x is read as %T", b, in)
		}
	}
}

// A host pays for a chain by the step.
func BenchmarkChain(b *testing.B) {
	var steps []core.Output
	x := newRandom(1)
	x.onStep = func(_ *node, _ core.Input, out core.Output) { steps = append(steps, out) }
	x.steps(3000)
	b.ReportAllocs()
	var c core.Chain
	for i := 0; b.Loop(); i++ {
		c.Add(&steps[i%len(steps)])
	}
}
