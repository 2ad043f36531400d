package replay

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
	"github.com/pgraft/pgraft/core/failover"
)

// Inputs, messages and decisions of failover, in lines.
func TestDescribeFailover(t *testing.T) {
	two := core.RaftID(2, 2)
	for want, in := range map[string]core.Input{
		"FailoverPort of node 2 in epoch 3: answers true, refuses false, reset false": core.FailoverPort{Port: failover.Port{Member: two, Epoch: 3, Answers: true}},
		"FailoverCompared of node 2, boot 4: have true, equal false":                  core.FailoverCompared{Compared: failover.Compared{Member: two, Boot: 4, Have: true}},
		"ProposeFailover 5: Disable {Epoch:6}":                                        core.ProposeFailover{ID: 5, Entry: failover.Disable{Epoch: 6}},
	} {
		if got := Describe(in); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	told := failover.Told{Boot: 1, Applied: 2, Server: true, Recovery: true, Timeline: 3, Sealed: 4, Replayed: 5, Claim: &failover.Claim{Epoch: 6, End: 7}}
	for want, env := range map[string]*corepb.Envelope{
		"FailoverTold: boot 1, applied 2, recovery true, timeline 3, sealed 4, replayed 5, claims to follow in epoch 6 from 7": {
			Body: &corepb.Envelope_FailoverTold{FailoverTold: told.Message()}},
		"failover's entry Reopen {Epoch:1 Member:2 Boot:3}": {
			Body: &corepb.Envelope_FailoverEntry{FailoverEntry: failover.Marshal(failover.Reopen{Epoch: 1, Member: 2, Boot: 3})}},
		"failover: not an entry: 1 bytes": {Body: &corepb.Envelope_FailoverEntry{FailoverEntry: []byte{0xff}}},
	} {
		b, err := proto.Marshal(env)
		if err != nil {
			t.Fatal(err)
		}
		if got := Message(b); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	out := &core.FailoverOutput{Orders: []failover.Order{failover.Seal{Boot: 1, UpTo: 2}}, Why: failover.Why{Reason: failover.LogUnread},
		Nobody: failover.Why{Reason: failover.PrimaryAway}}
	got := Outputs(core.Output{Failover: out})
	for _, want := range []string{"order   Seal {Boot:1 UpTo:2}", "the server waits: " + failover.LogUnread.String(), "no other primary: " + failover.PrimaryAway.String()} {
		if !slices.Contains(got, want) {
			t.Errorf("%q is not in %q", want, got)
		}
	}
	if l := FailedOver(nil); l != nil {
		t.Errorf("%q of a step that decided nothing", l)
	}
}
