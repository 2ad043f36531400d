package core_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/pgraft/pgraft/core"
)

// startVerbs print what core.TakeOver decides.
var startVerbs = map[string]func(*script){
	// takeover holds=store id=2 member cluster=other: a line for each marker that the
	// start of node 2 at b:7002, cluster "c", can find beside such a directory
	"takeover": func(s *script) {
		for _, c := range startCases {
			if c.block() == strings.TrimSpace(s.d.Cmd+" "+argsOf(s)) {
				s.out.WriteString(c.line() + "\n")
			}
		}
		if s.out.Len() == 0 {
			s.d.Fatalf(s.t, "no such start")
		}
	},
}

func argsOf(s *script) string {
	var l []string
	for _, a := range s.d.CmdArgs {
		l = append(l, a.String())
	}
	return strings.Join(l, " ")
}

// startCase is a start of node 2.
type startCase struct {
	holds  core.Holds
	id     *core.Identity
	what   string // the identity, in words
	marker string // a key of startMarkers
}

const startAddress = "b:7002"

var startSelf = core.Identity{ClusterID: "c", NodeID: 2}

// startMarkers are those that a start can find. The replica of the directory is 2.
var startMarkers = []struct {
	name   string
	marker *core.Marker
}{
	{"none", nil},
	{"its own", &core.Marker{NodeID: 2, ReplicaUUID: [16]byte{2}, Address: startAddress, Former: []core.FormerCluster{{ClusterUUID: [16]byte{7}, Recovered: 8}}}},
	{"its own, older: without an address", &core.Marker{NodeID: 2, ReplicaUUID: [16]byte{2}, Former: []core.FormerCluster{{ClusterUUID: [16]byte{7}, Recovered: 8}}}},
	{"its own, at another address", &core.Marker{NodeID: 2, ReplicaUUID: [16]byte{2}, Address: "a:7001"}},
	{"of another replica", &core.Marker{NodeID: 2, ReplicaUUID: [16]byte{3}, Address: startAddress}},
	{"damaged", nil},
}

// startCases are all that can be found, up to names.
var startCases = func() (all []startCase) {
	add := func(c startCase) {
		for _, m := range startMarkers {
			c.marker = m.name
			all = append(all, c)
		}
	}
	add(startCase{holds: core.HoldsNothing})
	add(startCase{holds: core.HoldsOther})
	add(startCase{holds: core.HoldsStore, what: "id=none"})
	for _, node := range []uint32{2, 3} {
		for _, state := range []string{"waiting", "member", "removed"} {
			for _, cluster := range []string{"c", "other"} {
				id := core.Identity{ClusterID: cluster, NodeID: node, ReplicaUUID: [16]byte{2}, Removed: state == "removed"}
				if state != "waiting" {
					id.ClusterUUID, id.RaftID = [16]byte{9}, core.RaftID(4, node)
				}
				add(startCase{holds: core.HoldsStore, id: &id, what: fmt.Sprintf("id=%d %s cluster=%s", node, state, cluster)})
			}
		}
	}
	return all
}()

// block is the command that prints c, with others.
func (c startCase) block() string {
	holds := [...]string{core.HoldsNothing: "nothing", core.HoldsStore: "store", core.HoldsOther: "other"}[c.holds]
	return strings.TrimSpace("takeover holds=" + holds + " " + c.what)
}

func (c startCase) found() core.Found {
	f := core.Found{Holds: c.holds, Identity: c.id, MarkerDamaged: c.marker == "damaged"}
	for _, m := range startMarkers {
		if m.name == c.marker {
			f.Marker = m.marker
		}
	}
	return f
}

func (c startCase) line() string {
	return fmt.Sprintf("marker %-36s %s", c.marker+":", showTakeover(core.TakeOver(startSelf, startAddress, c.found())))
}

func showTakeover(t core.Takeover) string {
	switch t.Outcome {
	case core.StartUninitialised:
		return "waits to be initialised"
	case core.StartRefused:
		s := "refuses: " + map[core.StartRefusal]string{core.DamagedMarker: "damaged marker", core.OtherFiles: "other files",
			core.OtherFilesInstead: "other files in the place of its data", core.DataGone: "data gone", core.IdentityGone: "identity gone",
			core.OtherNode: "another node's", core.OtherReplicaMarked: "another replica than marked", core.OtherAddress: "another address than marked"}[t.Refusal]
		if t.Alarm != core.NoAlarm {
			s += ", alarm " + t.Alarm.String()
		}
		if t.Passes {
			s += "; tries again"
		}
		return s
	}
	s := "takes it over"
	for i, step := range t.Steps {
		s += [...]string{"; ", ", then "}[min(i, 1)] + map[core.StartStep]string{core.StoreIdentity: "stores its identity",
			core.WriteMarker: "writes the marker", core.RemoveMarker: "removes the marker"}[step]
	}
	return s
}

// after is what a start finds once the first n steps of t are done.
func after(f core.Found, t core.Takeover, n int) core.Found {
	for _, step := range t.Steps[:n] {
		switch step {
		case core.StoreIdentity:
			f.Identity = &t.Identity
		case core.WriteMarker:
			f.Marker = &t.Marker
		case core.RemoveMarker:
			f.Marker = nil
		}
	}
	return f
}

// What holds of every start, whatever it finds.
func TestTakeOver(t *testing.T) {
	for _, c := range startCases {
		f := c.found()
		got := core.TakeOver(startSelf, startAddress, f)
		fault := func(text string) { t.Errorf("%s, marker %s: %s\n%s %+v", c.block(), c.marker, text, c.line(), got) }
		if (got.Outcome == core.StartRefused) != (got.Refusal != core.NotRefused) {
			fault("it refuses without a reason, or with one it does not")
		}
		if got.Outcome != core.StartMember && len(got.Steps) > 0 {
			fault("it changes what is not its own")
		}
		if got.Outcome == core.StartUninitialised && (f.Marker != nil || f.MarkerDamaged || f.Identity != nil || f.Holds == core.HoldsOther) {
			fault("what was initialised here, or is another's, is begun anew")
		}
		if got.Passes && (f.Holds == core.HoldsStore || f.Marker == nil) {
			fault("it tries again, and nothing that was here is out of reach")
		}
		if got.Outcome == core.StartMember {
			for _, text := range faultsOfMember(f, got) {
				fault(text)
			}
		}
	}
}

// faultsOfMember looks at a directory that is taken over.
func faultsOfMember(f core.Found, t core.Takeover) (faults []string) {
	fault := func(text string) { faults = append(faults, text) }
	if f.Identity == nil || f.MarkerDamaged || f.Identity.NodeID != startSelf.NodeID ||
		f.Marker != nil && (f.Marker.ReplicaUUID != f.Identity.ReplicaUUID || f.Marker.Address != "" && f.Marker.Address != startAddress) {
		return []string{"it takes over another replica, or a copy"}
	}
	want := *f.Identity
	want.ClusterID = startSelf.ClusterID
	if t.Identity != want {
		fault("it goes on as somebody else")
	}
	end := after(f, t, len(t.Steps))
	if *end.Identity != want {
		fault("who it is is not stored")
	}
	switch m := end.Marker; {
	case want.Removed && m != nil:
		fault("a marker stands in the way of a new node, though this one was removed")
	case !want.Removed && (m == nil || m.NodeID != want.NodeID || m.ReplicaUUID != want.ReplicaUUID || m.Address != startAddress):
		fault("no marker tells its emptied directory from a new one, or a copy from it")
	case m != nil && f.Marker != nil && !slices.Equal(m.Former, f.Marker.Former):
		fault("the marker loses the clusters that it was before")
	}
	for n := range len(t.Steps) + 1 { // a crash after any step
		again := core.TakeOver(startSelf, startAddress, after(f, t, n))
		if again.Outcome != core.StartMember || again.Identity != want || n == len(t.Steps) && len(again.Steps) > 0 {
			fault(fmt.Sprintf("after %d steps and a crash the next start decides otherwise: %+v", n, again))
		}
	}
	return faults
}

// testdata/core/takeover.txt shows all of the rule.
func TestTakeOverIsWhole(t *testing.T) {
	text, err := os.ReadFile("../testdata/core/takeover.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range startCases {
		if n := strings.Count(string(text), c.block()+"\n"); n != 1 {
			t.Errorf("%q is there %d times, want once", c.block(), n)
		}
	}
}
