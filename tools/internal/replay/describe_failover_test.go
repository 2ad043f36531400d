package replay

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
	"github.com/pgraft/pgraft/core/failover"
)

var (
	two, three = core.RaftID(2, 2), core.RaftID(3, 3)
	branched   = []failover.Branch{{Timeline: 1}, {Timeline: 3, Begin: 0x1_0000_0028}}
	tokenThree = failover.Token{Epoch: 2, Boot: 1, Member: three, Follow: 4}
	namesTwo   = failover.Names{Epoch: 2, Boot: 1, W: 1, Members: []uint64{two, three}, Tokens: []failover.Token{tokenThree}}
)

// Inputs of failover, in lines.
func TestDescribeFailoverInputs(t *testing.T) {
	standby := failover.Server{Recovery: true, Joined: true, Sealed: 2, History: branched, End: 0x1_0000_0060, Noted: 2, Replayed: 0x28, Streaming: true, Follows: tokenThree}
	primary := failover.Server{Joined: true, Stopping: true, History: branched[:1], End: 0x60, Flushed: 0x50, Fork: 0x40, Names: namesTwo,
		Senders: []failover.Sender{{Token: tokenThree, Flushed: 0x48}}}
	lost := failover.Server{Recovery: true, Untrusted: true, Damage: failover.QuarantinedUnguarded, Streaming: true}
	for _, c := range []struct {
		want string
		in   core.Input
	}{
		{"FailoverPort of node 2 in epoch 3: answers true, refuses false, reset false", core.FailoverPort{Port: failover.Port{Member: two, Epoch: 3, Answers: true}}},
		{"FailoverCompared of node 2, boot 4: have true, equal false", core.FailoverCompared{Compared: failover.Compared{Member: two, Boot: 4, Have: true}}},
		{"FailoverJoin: all standbys are to join", core.FailoverJoin{Joining: failover.JoinStandbys}},
		{"ProposeFailover 5: disable in epoch 6", core.ProposeFailover{ID: 5, Entry: failover.Disable{Epoch: 6}}},
		{"FailoverServer: in recovery; sealed up to epoch 2; WAL to 1/60 on timeline 3, noted for epoch 2; replayed to 0/28; source the primary of epoch 2, boot 1",
			core.FailoverServer{Server: standby}},
		{"FailoverServer: takes writes, told to stop; WAL to 0/60 on timeline 1, noted for no epoch; flushed to 0/50; fork to 0/40; " +
			"names of epoch 2, boot 1: 1 of nodes 2, 3, announced node 3; node 3, boot 4 has flushed to 0/48 in epoch 2", core.FailoverServer{Server: primary}},
		{"FailoverServer: in recovery; joined no; data older than it was; damage it was started as a primary without pgraft; WAL to 0/0 on no timeline, noted for no epoch; " +
			"replayed to 0/0; source not of failover", core.FailoverServer{Server: lost}},
	} {
		if got := Describe(c.in); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// Every kind of entry, also what no entry ought to ask for.
func TestEntryText(t *testing.T) {
	settings := failover.DefaultSettings()
	strange := settings
	strange.Durability = 7
	for _, c := range []struct {
		want  string
		entry failover.Entry
	}{
		{"enable: epoch 1 of node 2, boot 1, at 0/60 on timeline 3, sync set 1 of node 3", failover.Enable{Epoch: 1, Primary: two, Boot: 1, LSN: 0x60, History: branched,
			Set: failover.Set{W: 1, Members: []uint64{three}}}},
		{"disable in epoch 2", failover.Disable{Epoch: 2}},
		{"adjust: mode manual, durability required, sync_count 1, failover_delay 2000 ms, sync_timeout 2000 ms", failover.Adjust{Mode: failover.ModeManual, Settings: settings}},
		{"adjust: mode 9, durability 7, sync_count 1, failover_delay 2000 ms, sync_timeout 2000 ms", failover.Adjust{Mode: 9, Settings: strange}},
		{"describe node 2: a witness, boot 3", failover.Describe{Member: two, Boot: 3}},
		{"describe node 2: priority 100, boot 3, at host=b, not joined", failover.Describe{Member: two, Boot: 3, Data: true, Address: "host=b", Priority: 100}},
		{"begin epoch 2", failover.Begin{Epoch: 2}},
		{"report of node 2 for epoch 2: 0/60 of epoch 1, boot 3, forks 1, 3 from 1/28", failover.Report{Epoch: 2, Member: two, Boot: 3,
			Position: failover.Position{Epoch: 1, LSN: 0x60}, Forks: branched}},
		{"grant epoch 2 to node 3, sync set 0 of nobody", failover.Grant{Epoch: 2, Primary: three}},
		{"node 3 forked epoch 2: history 1, 3 from 1/28", failover.Forked{Epoch: 2, Member: three, History: branched}},
		{"node 3 opens epoch 2, sync set version 4", failover.Open{Epoch: 2, Member: three, SetVersion: 4}},
		{"reopen epoch 2 for node 3, boot 5", failover.Reopen{Epoch: 2, Member: three, Boot: 5}},
		{"quarantine node 3: an operator said so", failover.Quarantine{Member: three, Reason: failover.QuarantinedByOperator}},
		{"end the quarantine of node 3", failover.Clear{Member: three}},
		{"request of epoch 2: node 3 to take over", failover.Request{Epoch: 2, Target: three, Way: failover.WayFailover}},
		{"request of epoch 2: node 3 to take over, whatever is missing", failover.Request{Epoch: 2, Target: three, Way: failover.WayOverride}},
		{"request of epoch 2: node 3, in way 99", failover.Request{Epoch: 2, Target: three, Way: 99}},
		{"request of epoch 2: a switchover to node 3", failover.Request{Epoch: 2, Target: three, Way: failover.WaySwitchover}},
		{"request of epoch 2: a switchover to node 3, and no commit begins any more", failover.Request{Epoch: 2, Target: three, Way: failover.WaySwitching}},
		{"node 2 switches over in epoch 2, boot 1, for request 7", failover.Switchover{Epoch: 2, Member: two, Boot: 1, Request: 7}},
		{"give up the request 7 of epoch 2", failover.Abort{Epoch: 2, Request: 7}},
		{"override in epoch 2 for node 3, giving up nothing", failover.Override{Epoch: 2, Target: three}},
		{"override in epoch 2 for node 3, giving up what node 2 has up to 0/60 of epoch 1, what only node 2 has", failover.Override{Epoch: 2, Target: three,
			Loss: failover.Loss{Greater: []failover.Reported{{Member: two, Position: failover.Position{Epoch: 1, LSN: 0x60}}}, Missing: []uint64{two}}}},
	} {
		if got := EntryText(c.entry); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func TestFailoverMessages(t *testing.T) {
	told := failover.Told{Boot: 1, Applied: 2, Server: true, Recovery: true, Timeline: 3, Sealed: 4, Replayed: 5, Claim: &failover.Claim{Epoch: 6, End: 7, History: branched}}
	primary := failover.Told{Boot: 1, Server: true, ReplayDone: true, Stopping: true, Untrusted: true, Announced: []failover.Token{tokenThree},
		Denied: []failover.Token{{Member: two}}, Unproven: []failover.Token{tokenThree}}
	for want, env := range map[string]*corepb.Envelope{
		"FailoverTold: boot 1, applied 2, in recovery on timeline 3, sealed up to epoch 4, replayed to 0/5, asks to follow in epoch 6 from 0/7 on timeline 3": {
			Body: &corepb.Envelope_FailoverTold{FailoverTold: told.Message()}},
		"FailoverTold: boot 1, applied 0, takes writes on timeline 0, sealed up to epoch 0, replayed to 0/0, all of it, told to stop, its data is older than it was, announces node 3, denies node 2, cannot compare the WAL of node 3": {
			Body: &corepb.Envelope_FailoverTold{FailoverTold: primary.Message()}},
		"FailoverEntry: reopen epoch 1 for node 2, boot 3": {
			Body: &corepb.Envelope_FailoverEntry{FailoverEntry: failover.Marshal(failover.Reopen{Epoch: 1, Member: two, Boot: 3})}},
		"FailoverEntry: failover: not an entry: 1 bytes": {Body: &corepb.Envelope_FailoverEntry{FailoverEntry: []byte{0xff}}},
	} {
		b, err := proto.Marshal(env)
		if err != nil {
			t.Fatal(err)
		}
		if got := Message(b); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// A decision: all of it, and what differs from the one before.
func TestFailoverDecisions(t *testing.T) {
	sealing := &core.FailoverOutput{Shared: failover.Shared{Failover: true, Joined: true, Epoch: 2, Boot: 1},
		Orders: []failover.Order{failover.Seal{Boot: 1, UpTo: 1}},
		Why:    failover.Why{Reason: failover.LogUnread, Members: []uint64{two}}, Nobody: failover.Why{Reason: failover.PrimaryAway, Millis: 300}}
	want := []string{"fence   epoch 2, boot 1: failover on", "order   seal up to epoch 1, boot 1",
		"the server waits: " + failover.LogUnread.String() + " (node 2)", "no other primary: " + failover.PrimaryAway.String() + ", for 300 ms more"}
	if got := Outputs(core.Output{Failover: sealing}); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	later := *sealing
	later.Nobody.Millis = 200
	if got := FailoverChanges(sealing, &later); len(got) > 0 {
		t.Errorf("the time goes on: %q", got)
	}
	open := &core.FailoverOutput{Orders: []failover.Order{failover.SetNames{Names: namesTwo}}, Shared: failover.Shared{Failover: true, Joined: true, Quarantined: true, Founding: true,
		Primary: true, Open: true, LeaseCounts: true, Epoch: 2, Boot: 1, Set: failover.Set{W: 1, Members: []uint64{two, three}}, Tokens: []failover.Token{tokenThree}}}
	want = []string{"fence   epoch 2, boot 1: failover on, founding, quarantined, primary, open, lease counts, 1 of nodes 2, 3, announced node 3",
		"order   put the names of epoch 2 in force, boot 1: 1 of nodes 2, 3, announced node 3", "order is over: seal up to epoch 1, boot 1",
		"the server waits no more", "the cluster waits no more"}
	if got := FailoverChanges(&later, open); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if l := FailedOver(nil); l != nil {
		t.Errorf("%q of a step that decided nothing", l)
	}
	if l := DecidedParts(nil); l != nil {
		t.Errorf("%q of no decision", l)
	}
	parts := []Part{{"fence", "epoch 2, boot 1: failover on"}, {"order", "seal up to epoch 1, boot 1"}, {"the server waits", failover.LogUnread.String() + " (node 2)"},
		{"no other primary", failover.PrimaryAway.String() + ", for 300 ms more"}}
	if got := DecidedParts(sealing); !slices.Equal(got, parts) {
		t.Errorf("%q, want %q", got, parts)
	}
}

func TestOrders(t *testing.T) {
	for _, c := range []struct {
		want  string
		order failover.Order
	}{
		{"demote in epoch 2, boot 1", failover.Demote{Epoch: 2, Boot: 1}},
		{"promote to timeline 3 at 0/60 in epoch 2, boot 1", failover.Promote{Epoch: 2, Boot: 1, LSN: 0x60, History: branched}},
		{"follow node 2 on timeline 3 in epoch 2, boots 1 and 4", failover.Follow{Token: tokenThree, Primary: two, History: branched}},
		{"rejoin from node 2 on timeline 3 in epoch 2, boot 1", failover.Rejoin{Epoch: 2, Boot: 1, Primary: two, History: branched}},
		{"compare the record of node 3 at 0/60 of timeline 1, boot 4", failover.Compare{Epoch: 2, Boot: 1, Member: three, Follow: 4, Record: failover.Record{LSN: 0x60}, Timeline: 1}},
		{"compare the record of node 3 at 0/60 of timeline 1, boot 4, and all WAL from 0/20 on", failover.Compare{Epoch: 2, Boot: 1, Member: three, Follow: 4, Record: failover.Record{LSN: 0x60, From: 0x20}, Timeline: 1}},
		{"watch the port of node 2 in epoch 2: host=b", failover.Watch{Epoch: 2, Member: two, Address: "host=b"}},
	} {
		if got := failover.OrderText(c.order); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
