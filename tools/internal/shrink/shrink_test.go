package shrink

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/pgraft/pgraft/sim"
)

// What is saved is read again as it was.
func TestSaveAndLoad(t *testing.T) {
	plan := sim.Plan(sim.Options{Seed: 5})
	for _, o := range []sim.Options{
		{Seed: 5, Databases: sim.DatabasesOn},
		{Seed: 5, Databases: sim.DatabasesOff, Failover: sim.FailoverOn},
		{Seed: 6, Databases: sim.DatabasesOff, Nodes: 5, Duration: 40 * time.Second, Rate: 7, Faults: []string{}, Without: []string{"bounds"}},
	} {
		s := sim.Shrunk{Options: o, Decisions: plan, Before: 40, Failure: &sim.Failure{Check: "one-lease", Detail: "node 1\nholds", At: time.Second}}
		files, err := Save(filepath.Join(t.TempDir(), "new"), s)
		if err != nil {
			t.Fatal(err)
		}
		gotO, gotPlan, err := Load(files.Decisions)
		if err != nil || !reflect.DeepEqual(gotO, o) || !reflect.DeepEqual(gotPlan, plan) {
			t.Errorf("%+v was read as %+v, %d decisions as %d, %v", o, gotO, len(plan), len(gotPlan), err)
		}
		text, err := os.ReadFile(files.Script)
		if err != nil || !strings.Contains(string(text), "# node 1 holds\nrun seed=") || !strings.HasSuffix(string(text), "----\nno violation\n") {
			t.Errorf("%v, the script is\n%s", err, text)
		}
		if x, err := os.Stat(filepath.Join(files.Traces, "node1.trace")); err != nil || x.Size() == 0 {
			t.Errorf("the trace of node 1: %v", err)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a": "no json", "b": `{"duration": "soon"}`, "c": `{"decisions": ["5s gravity node=1"]}`, "d": `{"nodes": 99}`} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := Load(path); err == nil {
			t.Errorf("%s was read", text)
		}
	}
	if _, _, err := Load(filepath.Join(dir, "none")); err == nil {
		t.Error("a file that is not there was read")
	}
}

// A seed that does not fail is left as it is.
func TestSeedWithoutFailure(t *testing.T) {
	o := sim.Options{Seed: 1, Duration: 20 * time.Second}
	if s := Seed(t.Context(), o, time.Minute); s.Failure != nil || s.Runs != 1 {
		t.Errorf("%d runs, %v", s.Runs, s.Failure)
	}
}
