package node_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

// A cluster that was stopped as a whole can be called otherwise from then on; a
// member that alone has another name for it is refused until it has the same.
func TestRename(t *testing.T) {
	one, two := newMember(t, 1).open().init(true), newMember(t, 2).open().init(false)
	c := cluster{one}
	c.add(two)
	c = cluster{one, two}
	index := c.leader().propose(request(1, 1), "before")
	two.stop()
	two.cfg.ClusterID = "renamed"
	two.open()
	const words = `has cluster_id \"renamed\"` // quoted as the log quotes
	one.waitLog(words)
	two.waitLog("refused our connection")
	if s := two.out.status(); s.LeaderNode != 0 {
		t.Errorf("it knows leader %d", s.LeaderNode)
	}
	one.stop()
	one.cfg.ClusterID = "renamed"
	one.open()
	after := c.leader().propose(request(2, 1), "after")
	c.wantLogs(map[uint64]string{index: "before", after: "after"})
	one.waitLog(`is called \"renamed\" from now on`)
}

// The address that a node was initialised with is looked at again once the
// marker is gone, and with a marker of before it was kept.
func TestAddressOfMarker(t *testing.T) {
	m := newMember(t, 3).open().init(false)
	for _, spoil := range []func(){
		func() { must[struct{}](t, "marker")(struct{}{}, os.Remove(m.cfg.MarkerPath)) },
		func() {
			text := must[[]byte](t, "marker")(os.ReadFile(m.cfg.MarkerPath))
			text = regexp.MustCompile(`\s*"address": "[^"]*",?`).ReplaceAll(text, nil)
			text = regexp.MustCompile(`,\s*}`).ReplaceAll(text, []byte("}"))
			must[struct{}](t, "marker")(struct{}{}, os.WriteFile(m.cfg.MarkerPath, text, 0o600))
		},
	} {
		m.stop()
		m.cfg.Port = freePort(t)
		m.refusesToOpen()
		spoil()
		m.open()
		m.stop()
		m.cfg.Port = freePort(t)
		if err := m.refusesToOpen(); !strings.Contains(err.Error(), "belongs to node 3 at") {
			t.Error(err)
		}
		spoil()
		m.open()
	}
}

// waitLog waits for words in a node's log, whose values are quoted.
func (m *member) waitLog(words string) {
	m.t.Helper()
	eventually(m.t, fmt.Sprintf("node %d to log %s", m.cfg.NodeID, words), func() error {
		if !strings.Contains(m.log.String(), words) {
			return fmt.Errorf("it has not")
		}
		return nil
	})
}

// All members moved at once: one recovers the cluster at its new address, which
// the others then learn.
func TestRecoverAtAnotherAddress(t *testing.T) {
	one, two := newMember(t, 1).open().init(true), newMember(t, 2).open().init(false)
	c := cluster{one}
	c.add(two)
	c = cluster{one, two}
	index := c.leader().propose(request(1, 1), "before")
	c.wantLogs(map[uint64]string{index: "before"})
	one.stop()
	two.stop()
	two.cfg.Port = freePort(t)
	must[struct{}](t, "marker")(struct{}{}, os.Remove(two.cfg.MarkerPath))
	two.open()
	eventually(t, "a recovery", func() error { return two.RecoverFromLostQuorum(soon(t)) })
	must[struct{}](t, "leadership")(struct{}{}, two.AwaitLeader(soon(t)))
	if l := two.view().Members; len(l) != 1 || l[0].Member.GetPort() != two.cfg.Port {
		t.Errorf("the members are %+v, want one on port %d", l, two.cfg.Port)
	}
	one.empty()
	must[struct{}](t, "marker")(struct{}{}, os.Remove(one.cfg.MarkerPath))
	one.cfg.Port = freePort(t)
	one.open().init(false)
	cluster{two}.add(one)
	after := cluster{one, two}.leader().propose(request(2, 1), "after")
	cluster{one, two}.wantLogs(map[uint64]string{index: "before", after: "after"})
}
