package web

import (
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/node"
)

// Without a node nothing says that a server is good for anything, whatever is asked and how; and
// it is no reason to restart it.
func TestNoNode(t *testing.T) {
	s, _ := open(t, Listen{Address: "127.0.0.1:0"}, nil)
	for path := range checks {
		path = strings.TrimSuffix(path, "{$}")
		for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
			code, body := ask(t, method, "http://"+s.Addr().String()+path)
			if code != http.StatusServiceUnavailable || (body == "") != (method != "GET") {
				t.Errorf("%s %s: %d %q", method, path, code, body)
			}
		}
	}
	for _, x := range []struct {
		method, path string
		code         int
		body         string
	}{
		{"GET", "/replica", 503, `"role":"unknown","state":"","may_commit":false,"may_read":false,"in_sync_set":false,"why_not":"the node starts"}`},
		{"GET", "/health", 503, "term unknown: \n"},
		{"GET", "/readiness", 503, "this server shows no data\n"},
		{"GET", "/liveness", 200, "ok\n"},
		{"GET", "/metrics", 200, "\npgraft_node_running 0\n"},
		{"GET", "/status", 404, "not found"},
		{"POST", "/primary", 405, "method not allowed"},
		{"GET", "/replica?lag=much", 400, `lag="much" is no number of bytes`},
		{"GET", "/replica?lags=1", 400, `"lags" is not known here; lag is`},
	} {
		if code, body := ask(t, x.method, "http://"+s.Addr().String()+x.path); code != x.code || !strings.Contains(body, x.body) {
			t.Errorf("%s %s: %d\n%s", x.method, x.path, code, body)
		}
	}
	all := &url.URL{Scheme: "http", Host: s.Addr().String(), Opaque: "*"}
	res, err := http.DefaultTransport.RoundTrip((&http.Request{Method: "OPTIONS", URL: all, Host: all.Host, Header: http.Header{}}).WithContext(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	if res.Body.Close(); res.StatusCode == http.StatusOK {
		t.Errorf("OPTIONS * answers %d", res.StatusCode)
	}
}

// A page that panics says nothing good of the node, and the host hears of it.
func TestPanic(t *testing.T) {
	s, r := open(t, Listen{Address: "127.0.0.1:0"}, func(h *Host) {
		h.Pages = map[string]http.HandlerFunc{"/panics": func(http.ResponseWriter, *http.Request) { panic("here") }}
	})
	if code, _ := ask(t, "GET", "http://"+s.Addr().String()+"/panics"); code != http.StatusInternalServerError || r.n != 1 {
		t.Errorf("it answers %d, and was recovered from %d times", code, r.n)
	}
}

func TestLagLimit(t *testing.T) {
	for text, want := range map[string]uint64{"0": 0, "1048576": 1 << 20, "16kB": 16 << 10, "1MB": 1 << 20, "1 MB": 1 << 20, "1.5GB": 3 << 29, "2TB": 2 << 40, "7B": 7} {
		if got, err := lagLimit(url.Values{"lag": {text}}); err != nil || got == nil || *got != want {
			t.Errorf("%q: %v, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "-1", "1mb", "1 m", "1e3", "MB", "9223372036854775808", "99999999TB"} {
		if got, err := lagLimit(url.Values{"lag": {text}}); err == nil {
			t.Errorf("%q: %d", text, *got)
		}
	}
	if got, err := lagLimit(url.Values{}); err != nil || got != nil {
		t.Errorf("without one: %v, %v", got, err)
	}
}

// Each metric stands in the documents, with its help text and its labels, and nothing else does.
func TestMetricsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/monitoring.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(page), "\n| metric of `/metrics` | |\n|---|---|\n")
	if !ok {
		t.Fatal("docs/monitoring.md has no table of them")
	}
	table, _, _ := strings.Cut(rest, "\n\n")
	var want []string
	for _, m := range metrics {
		labels := ""
		if len(m.labels) > 0 {
			labels = "{" + strings.Join(m.labels, ", ") + "}"
		}
		kind := ""
		if m.kind == prometheus.CounterValue {
			kind = "Counter. "
		}
		want = append(want, "| `"+m.name+labels+"` | "+kind+m.help+" |")
	}
	if text := strings.Join(want, "\n"); strings.TrimRight(table, "\n") != text {
		t.Errorf("the table in docs/monitoring.md is to be\n%s", text)
	}
}

// Who may be read: a standby that streams; any, while there is no primary to stream from; and
// only one that is not further behind than asked for.
func TestReplica(t *testing.T) {
	n := &node.Node{} // it has no fence, and no lease
	view := func(primary uint64, said ...failover.Said) node.Failover {
		f := node.Failover{RaftID: 2, Lead: 1, Boot: 1, Said: said, SilentAfter: 1e9}
		if primary > 0 {
			f.State.Epoch = failover.Epoch{Number: 3, Stage: failover.StageOpen, Primary: primary}
		}
		return f
	}
	heard := failover.Said{Member: 1, Told: failover.Told{Server: true}}
	silent := heard
	silent.Millis = 2000
	standby := func(state string, lag ...uint64) *node.Standing {
		s := &node.Standing{RaftID: 2, Role: node.RoleStandby, State: state}
		if len(lag) > 0 {
			s.Lag = &lag[0]
		}
		return s
	}
	for _, x := range []struct {
		what  string
		f     node.Failover
		own   *node.Standing
		limit []uint64
		want  bool
	}{
		{"streams", view(1, heard), standby(node.StateStreaming), nil, true},
		{"does not stream", view(1, heard), standby(node.StateWaiting), nil, false},
		{"its primary is silent", view(1, silent), standby(node.StateWaiting), nil, true},
		{"an epoch begins", view(0), standby(node.StateSealed), nil, true},
		{"it is in doubt", view(0), standby("untrusted"), nil, false},
		{"it is quarantined", view(1, heard), standby(node.StateQuarantined), nil, false},
		{"failover is off", view(0), standby(node.StateOff), nil, true},
		{"it is the primary", view(2), &node.Standing{RaftID: 2, Role: node.RolePrimary, State: "serving"}, nil, false},
		{"as far behind as may be", view(1, heard), standby(node.StateStreaming, 100), []uint64{100}, true},
		{"too far behind", view(1, heard), standby(node.StateStreaming, 101), []uint64{100}, false},
		{"who knows how far behind", view(1, heard), standby(node.StateStreaming), []uint64{100}, false},
		{"a member without failover", node.Failover{RaftID: 2, Lead: 1}, nil, nil, true},
		{"that hears no leader", node.Failover{RaftID: 2}, nil, nil, false},
		{"that leads", node.Failover{RaftID: 2, Lead: 2}, nil, nil, false},
		{"that knows of no WAL", node.Failover{RaftID: 2, Lead: 1}, nil, []uint64{100}, false},
	} {
		s := seen{node: n, failover: x.f, own: x.own}
		if len(x.limit) > 0 {
			s.limit = &x.limit[0]
		}
		if got := s.replica(); got != x.want {
			t.Errorf("%s: %t", x.what, got)
		}
		if s.sync() || s.async() != x.want {
			t.Errorf("%s: sync %t, async %t", x.what, s.sync(), s.async())
		}
		if x.own == nil {
			continue
		}
		x.own.InSyncSet = true
		if s.sync() != x.want || s.async() {
			t.Errorf("%s, in the sync set: sync %t, async %t", x.what, s.sync(), s.async())
		}
	}
}

// What the witness and a server say of failover in their metrics.
func TestFailoverMetrics(t *testing.T) {
	f := node.Failover{RaftID: 2, Boot: 1, SilentAfter: 1e9}
	for id := uint64(1); id <= 2; id++ {
		f.Members = append(f.Members, core.MemberStatus{Member: &corepb.Member{RaftId: id}})
	}
	f.State.Mode = failover.ModeOn
	f.State.Epoch = failover.Epoch{Number: 3, Stage: failover.StageOpen, Primary: 2, Set: failover.Set{W: 1, Members: []uint64{1}}}
	f.Server = &failover.Server{End: 1000}
	got := map[string]float64{}
	failoverMetrics(&node.Node{}, &f, func(m metric, v float64, labels ...string) {
		got[m.name+strings.Join(labels, ",")] = v
	})
	for name, want := range map[string]float64{"pgraft_failover_on": 1, "pgraft_failover_epoch": 3, "pgraft_failover_primary_node": 2, "pgraft_failover_sync_count": 1,
		"pgraft_failover_sync_members": 1, "pgraft_failover_primary": 0, "pgraft_failover_fenced": 1, "pgraft_failover_stateprimary,serving": 1} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s is %v, %t, want %v", name, v, ok, want)
		}
	}
	if _, ok := got["pgraft_failover_lag_bytes"]; ok {
		t.Error("the primary has a lag")
	}
}
