package witness

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/tools/internal/status"
)

// A witness that comes back on an empty directory says on all its pages that it is
// not the member that the others know, and so does `pgraft status`.
func TestAlarm(t *testing.T) {
	x := newTrial(t, 11500, nil)
	cfg := Config{Dir: filepath.Join(t.TempDir(), "first"), Node: settings(3, port(t, &x.next))}
	r := x.run(cfg)
	x.add(3, cfg.Node.Port)
	if _, body := get(t, r.url+"/metrics"); !strings.Contains(body, "\npgraft_node_alarm 0\n") || !strings.Contains(body, "\npgraft_peer_alarm{node_id=\"1\"} 0\n") {
		t.Errorf("/metrics answers\n%s", body)
	}
	r.stop()
	if err := r.end(t); err != nil {
		t.Fatal(err)
	}
	cfg.Dir = filepath.Join(t.TempDir(), "second")
	r = x.run(cfg)
	x.until("the alarm", func(ctx context.Context) error {
		code, body := get(t, r.url+"/health")
		if code != http.StatusServiceUnavailable || !strings.Contains(body, "alarm critical: other replica: ") {
			return errors.New(body)
		}
		return nil
	})
	if _, body := get(t, r.url+"/metrics"); !strings.Contains(body, "\npgraft_node_alarm 1\n") {
		t.Errorf("/metrics answers\n%s", body)
	}
	if s := status.Ask(t.Context(), []string{r.url}); s.Status != "critical" || !strings.Contains(strings.Join(s.Problems, "\n"), "node 3: alarm is critical: other replica") {
		t.Errorf("pgraft status says %s: %q", s.Status, s.Problems)
	}
	v, err := x.founder.View(t.Context())
	if err != nil || len(v.Members) != 2 || v.Members[1].Alarm != core.OtherReplica {
		t.Errorf("the founder knows %+v, %v", v.Members, err)
	}
	r.stop()
	if err := r.end(t); err != nil {
		t.Fatal(err)
	}
}
