package core_test

import (
	"strings"
	"testing"

	"github.com/pgraft/pgraft/core"
)

// Each refusal names what is wrong; none of these configurations starts a core.
func TestConfigValidate(t *testing.T) {
	valid := core.Config{
		Identity:        core.Identity{ClusterID: "c", NodeID: 1, RaftID: core.RaftID(1, 1), ClusterUUID: [16]byte{1}},
		TickMillis:      100,
		ElectionTicks:   10,
		HeartbeatTicks:  1,
		SnapshotEntries: 100,
		MaxEntryBytes:   100,
	}
	if err := valid.Validate(); err != nil {
		t.Fatalf("the configuration that the cases spoil is refused: %v", err)
	}
	for _, tt := range []struct {
		spoil func(*core.Config)
		want  string
	}{
		{func(c *core.Config) { c.TickMillis = 0 }, "TickMillis is 0"},
		{func(c *core.Config) { c.HeartbeatTicks = 0 }, "HeartbeatTicks is 0"},
		{func(c *core.Config) { c.ElectionTicks = 4 }, "ElectionTicks is 4, must be at least 5"},
		{func(c *core.Config) { c.HeartbeatTicks = 4 }, "must be at least 3 x HeartbeatTicks (4)"},
		{func(c *core.Config) { c.SnapshotEntries = 0 }, "SnapshotEntries is 0"},
		{func(c *core.Config) { c.MaxEntryBytes = -1 }, "MaxEntryBytes is -1"},
		{func(c *core.Config) { c.Identity.RaftID = 0 }, "no Raft id yet"},
		{func(c *core.Config) { c.Identity.NodeID = 2 }, "is not of node 2"},
		{func(c *core.Config) { c.Newest = core.NewestVersion + 1 }, "this pgraft knows up to 3"},
		{func(c *core.Config) { c.Newest, c.Failover.Boot = core.FailoverVersion-1, 1 }, "Newest is 2, must be at least 3"},
		{func(c *core.Config) { c.Newest, c.Failover.SealMillis = core.FailoverVersion, 1 }, "Failover.Boot is 0"},
		{func(c *core.Config) { c.Identity.ClusterID = "caf\xe9" }, `"caf\xe9" is not UTF-8`},
	} {
		c := valid
		tt.spoil(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want %q", err, tt.want)
		}
		if _, err := core.New(c, core.Durable{}); err == nil {
			t.Errorf("a core starts with what is refused: %q", tt.want)
		}
	}
}
