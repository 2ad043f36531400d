package node_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/node"
	"github.com/pgraft/pgraft/node/store"
)

// older makes a member one of a build that knows version 1 only.
func older(m *member) { m.cfg.Newest = core.OldestVersion }

// upgrade opens a member again with the build of today.
func (m *member) upgrade() {
	m.stop()
	m.cfg.Newest = 0
	m.open()
}

// wantVersion waits until all members are at a cluster version.
func (c cluster) wantVersion(want uint32) {
	c[0].t.Helper()
	eventually(c[0].t, fmt.Sprintf("version %d everywhere", want), func() error {
		for _, m := range c.up() {
			if got := m.view().Core.Version; got != want {
				return fmt.Errorf("node %d is at version %d", m.cfg.NodeID, got)
			}
		}
		return nil
	})
}

// A cluster of older builds is upgraded one member after the other, and works
// meanwhile. With the last one it goes over to the newer version, and from there no
// member goes back.
func TestUpgradeOneAfterTheOther(t *testing.T) {
	c, l := newCluster(t, 3, older), newLedger()
	c.proposeAll(1, 5, l)
	c.wantVersion(core.OldestVersion)
	before := filepath.Join(t.TempDir(), "before")
	c[2].stop()
	if err := os.CopyFS(before, os.DirFS(c[2].cfg.DataDir)); err != nil {
		t.Fatal(err)
	}
	c[2].open()
	for i, m := range c {
		m.upgrade()
		c.leader()
		c.proposeAll(2+i, 5, l)
		if i < len(c)-1 {
			c.wantVersion(core.OldestVersion)
		}
	}
	c.wantVersion(core.NewestVersion)
	c.proposeAll(5, 5, l)
	c.wantLogs(l.entries)
	l.check(t, 5*3*5)
	for _, s := range c.leader().view().Members {
		if s.Newest != core.NewestVersion {
			t.Errorf("node %d knows version %d, says the leader; want %d", core.NodeID(s.Member.GetRaftId()), s.Newest, core.NewestVersion)
		}
	}

	m := c[2]
	m.stop()
	older(m)
	var refused *node.OpenError
	if err := m.refusesToOpen(); !errors.As(err, &refused) || refused.Alarm != core.TooOld || !errors.Is(err, store.ErrNewerFormat) || !strings.Contains(err.Error(), "its cluster is at version 3, this one knows up to 1") {
		t.Errorf("an older build opens it: %v", err)
	}
	// With what it had before, it is refused, and all say why.
	m.empty()
	if err := os.Rename(before, m.cfg.DataDir); err != nil {
		t.Fatal(err)
	}
	m.open()
	c.wantAlarm(m, core.TooOld)
	c[:2].asLeader("its removal", func(leader *member) error { return leader.RemoveNode(soon(t), 3) })
}

// A cluster founded by this build is at its version from the start: an older one
// cannot be added, and nothing of it is in the log.
func TestOlderBuildIsNotAdded(t *testing.T) {
	one := newMember(t, 1).open().init(true)
	c := cluster{one}
	leader := c.leader()
	c.wantVersion(core.NewestVersion)
	if last := leader.view().Core.Last; last != core.FoundingIndex+1 {
		t.Errorf("the log of a new cluster ends at %d, want the leader's first entry", last)
	}
	m := newMember(t, 2)
	older(m)
	m.open().init(false)
	_, err := leader.AddNode(soon(t), 2, m.cfg.Address, m.cfg.Port)
	var p *node.ProbeError
	if !errors.As(err, &p) || p.Unreachable || !strings.Contains(p.Text, "node 2 knows versions up to 1, node 1 speaks version 3") ||
		!strings.Contains(p.Hint, "Install") {
		t.Fatalf("an older build is added: %#v", err)
	}
	m.upgrade()
	c.add(m)
}

// Who takes part in failover no more opens what it wrote while it did, and is a member as before.
func TestTakesPartNoMore(t *testing.T) {
	m := newMember(t, 1)
	m.cfg.Witness = true
	m.open().init(true)
	cluster{m}.wantVersion(core.FailoverVersion)
	m.stop()
	m.cfg.Witness = false
	m.open()
	cluster{m}.leader()
	cluster{m}.wantVersion(core.FailoverVersion)
}
