package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/retain/retaintest"
	"github.com/pgraft/pgraft/core/trace"
)

// lone is a cluster of one node that records itself.
type lone struct {
	retaintest.None
	rec  trace.Recorder
	core *core.Core
	todo []core.Input
}

func (l *lone) RecordInput(in core.Input)    { l.rec.Input(int64(l.rec.Seq())*1e6, in) }
func (l *lone) RecordOutput(out core.Output) { l.rec.Output(out) }
func (l *lone) Clock() *core.Clock           { return nil }
func (*lone) Failover(core.FailoverOutput)   { panic("failover is on nowhere") }
func (l *lone) Publish(core.Status, int64)   {}
func (l *lone) Removed()                     {}
func (l *lone) Send(core.Send)               {}
func (l *lone) Reply(core.Reply)             {}
func (l *lone) Event(core.Event)             {}
func (l *lone) MembersChanged(core.Members)  {}
func (l *lone) Persist(b []core.Persist) {
	l.todo = append(l.todo, core.Persisted{Seq: b[len(b)-1].Seq})
}
func (l *lone) Apply([]core.Apply) (taken bool) { return true }

func (l *lone) do(in core.Input) {
	l.todo = append(l.todo, in)
	for len(l.todo) > 0 {
		in, l.todo = l.todo[0], l.todo[1:]
		core.Perform(l.core, in, l)
	}
}

// sampleTrace writes one of some fifty inputs and returns its path.
func sampleTrace(t *testing.T) string {
	t.Helper()
	id := core.Identity{ClusterID: "sample", NodeID: 1, ClusterUUID: [16]byte{1}, RaftID: core.RaftID(1, 1)}
	cfg := core.Config{Identity: id, TickMillis: 100, ElectionTicks: 10, HeartbeatTicks: 1, Seed: 1, SnapshotEntries: 5, MaxEntryBytes: 1000}
	d := core.Bootstrap(id, "h", 1, core.OldestVersion)
	c, err := core.New(cfg, d)
	if err != nil {
		t.Fatal(err)
	}
	l := &lone{core: c}
	l.rec.Begin(trace.Header{Build: "sample", ClusterID: "sample", NodeID: 1, RaftID: id.RaftID, Life: 1, File: 1})
	l.rec.Boot(0, cfg, d)
	l.do(core.Tick{})
	for i := range 12 {
		l.do(core.Propose{ID: uint64(i), RequestID: [16]byte{byte(i), 1}, Data: []byte("an entry")})
	}
	l.rec.End(0, "done")
	path := filepath.Join(t.TempDir(), "sample.trace")
	if err := os.WriteFile(path, l.rec.Take(nil), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func command(t *testing.T, args ...string) (out, errOut string, ok bool) {
	t.Helper()
	out, errOut, err := pgraft(t, args...)
	return out, errOut, err == nil
}

func TestReplayCommand(t *testing.T) {
	path := sampleTrace(t)
	out, errOut, ok := command(t, "replay", path)
	if !ok || !strings.Contains(out, "node 1: identical, ") || !strings.Contains(out, "checked over all nodes") {
		t.Errorf("%s%s", out, errOut)
	}
	if !strings.Contains(errOut, "version of the core") { // it says so before it compares
		t.Errorf("nothing is said of the version: %s", errOut)
	}
	out, _, ok = command(t, "replay", path, "--json")
	var verdict struct {
		Identical bool
		Inputs    int
	}
	if err := json.Unmarshal([]byte(out), &verdict); err != nil || !ok || !verdict.Identical || verdict.Inputs < 30 {
		t.Errorf("%v %+v %s", err, verdict, out)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--at", "10"}, "#10 of"},
		{[]string{"--commands", "break role leader; continue; state"}, "election after 10 ticks"},
		{[]string{"--set", "snapshot_entries=1000"}, "another run from input"},
		{[]string{"--set", "max_entry_bytes=2000"}, "the same"},
	} {
		if out, errOut, ok := command(t, append([]string{"replay", path}, c.args...)...); !ok || !strings.Contains(out, c.want) {
			t.Errorf("%v: no %q in\n%s%s", c.args, c.want, out, errOut)
		}
	}
	for _, args := range [][]string{{"--at", "1000"}, {"--commands", "dance"}, {"--set", "color=red"}} {
		if _, _, ok := command(t, append([]string{"replay", path}, args...)...); ok {
			t.Errorf("%v succeeds", args)
		}
	}
}

// Every setting that --set names can be changed, alone and with others; what
// cannot be right says what can.
func TestReplaySet(t *testing.T) {
	path := sampleTrace(t)
	names := map[string]string{"election_timeout": "3s", "heartbeat_interval": "2", "max_entry_bytes": "2000", "max_tail_bytes": "100000",
		"seed": "0x2a", "snapshot_entries": "7"}
	help, _, _ := command(t, "replay", "--help")
	_, errOut, ok := command(t, "replay", path, "--set", "colour=red")
	if ok {
		t.Error("--set colour=red succeeds")
	}
	args := []string{"replay", path}
	for name, value := range names {
		wantAll(t, help, name)
		wantAll(t, errOut, name)
		args = append(args, "--set", name+"="+value)
		out, errOut, ok := command(t, "replay", path, "--set", name+"="+value)
		if !ok || !strings.Contains(out, "node 1: the same") && !strings.Contains(out, "node 1: another run from input") {
			t.Errorf("--set %s=%s: %s%s", name, value, out, errOut)
		}
	}
	out, errOut, ok := command(t, append(args, "--json")...)
	var result []struct {
		Node   string
		Parted *struct{ Input int }
	}
	if err := json.Unmarshal([]byte(out), &result); err != nil || !ok || len(result) != 1 || result[0].Node != "1" || result[0].Parted == nil {
		t.Errorf("all of them, as JSON: %v, %s%s", err, out, errOut)
	}
	for _, bad := range []struct{ set, want string }{
		{"election_timeout", "NAME=VALUE"}, {"election_timeout=soon", "neither a number of ticks nor a time"}, {"seed=x", "seed"},
		{"election_timeout=-5", "no core starts with election_timeout=-5"}, {"heartbeat_interval=0", "must be at least 1"},
	} {
		if out, errOut, ok := command(t, "replay", path, "--set", bad.set); ok || !strings.Contains(errOut, bad.want) {
			t.Errorf("--set %s: %s%s", bad.set, out, errOut)
		}
	}
}

// Every command has examples, and a mistake on its line points to its help.
func TestTraceHelp(t *testing.T) {
	for _, cmd := range [][]string{{"replay"}, {"diff"}, {"view"}, {"trace", "info"}, {"trace", "cut"}, {"trace", "merge"}, {"trace", "to-json"}} {
		out, _, ok := command(t, append(slices.Clone(cmd), "--help")...)
		if !ok || !strings.Contains(out, "Examples:") {
			t.Errorf("%v --help: %s", cmd, out)
		}
		_, errOut, ok := command(t, cmd...)
		if want := "see `pgraft " + strings.Join(cmd, " ") + " --help`"; ok || !strings.Contains(errOut, want) {
			t.Errorf("%v: no %q in %q", cmd, want, errOut)
		}
	}
}

// A difference, and damage, show in the exit status; a file that is just cut off
// is what a killed server leaves.
func TestReplayExitStatus(t *testing.T) {
	path := sampleTrace(t)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write := func(b []byte) string {
		p := filepath.Join(t.TempDir(), "x.trace")
		if err := os.WriteFile(p, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	if out, _, ok := command(t, "replay", write(b[:len(b)-20])); !ok || !strings.Contains(out, "cut off") {
		t.Errorf("cut off: %s", out)
	}
	bad := bytes.Clone(b)
	bad[len(bad)-20] ^= 1
	if out, errOut, ok := command(t, "replay", write(bad)); ok || !strings.Contains(out+errOut, "damaged") {
		t.Errorf("damaged: %s%s", out, errOut)
	}
	if out, errOut, ok := command(t, "replay", write(otherSum(t, b))); ok || !strings.Contains(out, "DIFFERS at input 5") {
		t.Errorf("another output: %s%s", out, errOut)
	}
	if _, _, ok := command(t, "replay", filepath.Join(t.TempDir(), "none")); ok {
		t.Error("a file that is not there is replayed")
	}
}

// otherSum is a trace whose fifth input led to something else.
func otherSum(t *testing.T, b []byte) []byte {
	t.Helper()
	out := []byte(trace.Magic)
	r := trace.NewReader(b)
	for f, ok := r.Next(); ok; f, ok = r.Next() {
		if in, ok := f.(*trace.Input); ok && in.Seq == 5 {
			in.Sum, in.Parts[0].Count = in.Sum+1, 7
		}
		out = trace.Append(out, f)
	}
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestTraceCommands(t *testing.T) {
	path := sampleTrace(t)
	if out, _, ok := command(t, "trace", "info", path); !ok || !strings.Contains(out, `cluster "sample"`) {
		t.Errorf("info: %s", out)
	}
	part := filepath.Join(t.TempDir(), "part.trace")
	if out, errOut, ok := command(t, "trace", "cut", path, "--from", "10", "--to", "20", "-o", part); !ok {
		t.Fatalf("cut: %s%s", out, errOut)
	}
	if out, _, ok := command(t, "replay", part); !ok || !strings.Contains(out, "identical, 11 inputs") {
		t.Errorf("the part: %s", out)
	}
	if _, _, ok := command(t, "trace", "cut", path, "-o", part); ok {
		t.Error("cut over what is there")
	}
	both := filepath.Join(t.TempDir(), "both.trace")
	if out, errOut, ok := command(t, "trace", "merge", path, "-o", both); !ok || !strings.Contains(out, "1 nodes") {
		t.Errorf("merge: %s%s", out, errOut)
	}
	if out, _, ok := command(t, "trace", "info", "--json", both); !ok || !strings.Contains(out, `"cluster_id":"sample"`) {
		t.Errorf("info --json: %s", out)
	}
	out, _, ok := command(t, "trace", "to-json", both)
	if lines := strings.Count(out, "\n"); !ok || lines < 30 {
		t.Errorf("to-json: %d lines", lines)
	}
}
