package status

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/pgraft/pgraft/tools/internal/rejoin"
	"github.com/pgraft/pgraft/tools/internal/sqlapi"
)

// answering is a node that answers with n.
func answering(t *testing.T, n Node) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != Path {
			http.NotFound(w, r)
			return
		}
		if err := json.NewEncoder(w).Encode(n); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func well(id int) Node {
	heard, running := "0.042s", "running"
	n := Node{NodeID: id, Version: "1.0.0", WorkerState: running, Leader: id == 1, LeaderNode: 1, Term: 2, CommitIndex: 10, AppliedIndex: 10, LastIndex: 10,
		Health: []sqlapi.Finding{{Metric: "worker_state", Value: &running, Status: "ok"}, {Metric: "last_fsync", Status: "unknown"}}}
	for _, m := range []int32{1, 3} {
		n.Members = append(n.Members, sqlapi.Status{NodeID: m, Address: "10.0.0.1", Port: 7001, IsLeader: m == 1,
			State: map[bool]string{true: "Leader", false: "Follower"}[m == 1], Term: 2, CommitIndex: 10, LastLogIndex: 10, LastHeartbeat: &heard})
	}
	return n
}

// failing is a node with failover, as which node 1 has come to a state and node 3 is
// quarantined.
func failing(id int, state string) Node {
	n := well(id)
	epoch, timeline, position, lag, why := int64(4), int64(5), "0/3000148", int64(120), "look at it"
	n.Failover = []sqlapi.Failover{{NodeID: 1, Role: "primary", State: state, Epoch: &epoch, Timeline: &timeline, Position: &position, Electable: true},
		{NodeID: 3, Role: "standby", State: "quarantined", Epoch: &epoch, Timeline: &timeline, Position: &position, Lag: &lag, InSyncSet: true, WhyNot: &why}}
	return n
}

func TestAsk(t *testing.T) {
	one, three := well(1), well(3)
	warned := well(3)
	quorum := "2 of 3 voters reachable"
	warned.Health = append(warned.Health, sqlapi.Finding{Metric: "quorum", Value: &quorum, Status: "warning"})
	alarmed := well(3)
	alarmed.Health = append(alarmed.Health, sqlapi.Finding{Metric: "disk_free", Status: "critical"}, warned.Health[2])
	other := well(3)
	other.LeaderNode = 3
	gone := httptest.NewServer(nil)
	gone.Close()
	strange := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }))
	t.Cleanup(strange.Close)
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("<html>")) }))
	t.Cleanup(page.Close)
	for name, c := range map[string]struct {
		targets  []string
		status   string
		problems []string // a part of each, in order
	}{
		"all well":    {[]string{answering(t, one), answering(t, three) + "/"}, "ok", nil},
		"a warning":   {[]string{answering(t, one), answering(t, warned)}, "warning", []string{"node 3: quorum is warning: 2 of 3"}},
		"the worst":   {[]string{answering(t, alarmed)}, "critical", []string{"node 3: disk_free is critical", "node 3: quorum"}},
		"nobody":      {[]string{gone.URL}, "critical", []string{"connection refused"}},
		"no pgraft":   {[]string{strange.URL}, "critical", []string{"answers 404 Not Found: is it the --http address"}},
		"a web page":  {[]string{page.URL}, "critical", []string{"invalid character '<'"}},
		"two leaders": {[]string{answering(t, one), answering(t, other)}, "critical", []string{"in term 2 different nodes are said to lead"}},
		"no server":   {[]string{"host=127.0.0.1 port=1 user=u password=secret"}, "critical", []string{"127.0.0.1:1: failed to connect"}},
		"failover":    {[]string{answering(t, failing(1, "serving")), answering(t, failing(3, "waiting"))}, "warning", []string{"node 3 is quarantined: look at it"}},
		"no primary":  {[]string{answering(t, one), answering(t, failing(3, "promoting"))}, "critical", []string{"failover: no server is the primary", "node 3 is quarantined"}},
		"no target":   {[]string{"port=many"}, "critical", []string{"connection string: "}},
	} {
		r := Ask(t.Context(), c.targets)
		if r.Status != c.status || len(r.Problems) != len(c.problems) || len(r.Nodes) != len(c.targets) {
			t.Errorf("%s: %s, %q", name, r.Status, r.Problems)
			continue
		}
		for i, p := range c.problems {
			if !strings.Contains(r.Problems[i], p) || strings.Contains(r.Problems[i], "secret") {
				t.Errorf("%s: problem %q, want %q", name, r.Problems[i], p)
			}
		}
	}
}

func TestWrite(t *testing.T) {
	one, three := well(1), well(3)
	one.Asked, three.Asked = "db1:5432", "http://w:7011"
	back := rejoin.Progress{Step: rejoin.Recovers}
	r := Report{Nodes: []Node{one, {Asked: "db2:5432", Error: "it is away"}, three, {Asked: "db4:5432", Error: "it comes back", Rejoin: &back}}}
	r.judge()
	var b strings.Builder
	if err := r.Write(&b); err != nil {
		t.Fatal(err)
	}
	const want = `asked          node  worker   leads  term  commit  applied  health
db1:5432       1     running  yes    2     10      10       ok
db2:5432       -     -        -      -     -       -        no answer
http://w:7011  3     running  no     2     10      10       ok
db4:5432       -     -        -      -     -       -        rejoins

members, as node 1 knows them
node  address        state     last index  heard
1     10.0.0.1:7001  Leader    10          0.042s
3     10.0.0.1:7001  Follower  10          0.042s

critical
  db2:5432: it is away
  db4:5432: it comes back
`
	if b.String() != want {
		t.Errorf("printed\n%s\nwant\n%s", b.String(), want)
	}
}

// What servers are for failover is shown once, as the leader knows it.
func TestWriteFailover(t *testing.T) {
	r := Report{Nodes: []Node{failing(3, "promoting"), failing(1, "serving")}}
	r.judge()
	var b strings.Builder
	if err := r.Write(&b); err != nil {
		t.Fatal(err)
	}
	const want = `
failover, as node 1 knows it
node  role     state        epoch  timeline  position   lag  in sync set  electable  why not
1     primary  serving      4      5         0/3000148  -    no           yes        -
3     standby  quarantined  4      5         0/3000148  120  yes          no         look at it

warning
  node 3 is quarantined: look at it
`
	if !strings.HasSuffix(b.String(), want) {
		t.Errorf("printed\n%s\nwant at its end\n%s", b.String(), want)
	}
}
