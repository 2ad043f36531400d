package node_test

import (
	"strings"
	"testing"
)

// A node that starts applies its log once more. That is no news: it is neither
// logged nor counted again. What was committed while it was down is.
func TestRestartIsNoNews(t *testing.T) {
	c := newCluster(t, 3, nil)
	c.leader()
	var last uint64
	for i := range 5 {
		last = c.leader().propose(request(1, i), "an entry")
	}
	for _, m := range c {
		m.applied(last)
	}
	away := c.followers()[0]
	before := away.Stats()
	if before.Entries != 5 || before.EntryBytes != 5*uint64(len("an entry")) {
		t.Fatalf("node %d counts %d entries, %d bytes", away.cfg.NodeID, before.Entries, before.EntryBytes)
	}
	away.stop()
	last = c.up().leader().propose(request(2, 1), "while it was away")
	said := len(away.log.String())
	away.open().applied(last)
	if s := away.log.String()[said:]; strings.Contains(s, ", at index ") {
		t.Errorf("node %d says again what its log has:\n%s", away.cfg.NodeID, s)
	}
	if s := away.Stats(); s.Entries != 1 || s.EntryBytes != uint64(len("while it was away")) {
		t.Errorf("node %d counts %d entries, %d bytes; one was new", away.cfg.NodeID, s.Entries, s.EntryBytes)
	}
	cfg := away.settings()
	cfg.SnapshotEntries++ // another core in its place
	if err := away.Reload(cfg); err != nil {
		t.Fatal(err)
	}
	away.applied(last)
	if s := away.Stats(); s.Entries != 1 {
		t.Errorf("node %d counts %d entries after a reload; one was new", away.cfg.NodeID, s.Entries)
	}
}

// The recovery is said by the node that does it, and not again when it restarts.
func TestRecoveryIsSaidOnce(t *testing.T) {
	c := newCluster(t, 3, nil)
	index := c.leader().propose(request(1, 1), "before")
	alone := c.followers()[0]
	alone.applied(index)
	for _, m := range c {
		if m != alone {
			m.stop()
		}
	}
	eventually(t, "a recovery", func() error { return alone.RecoverFromLostQuorum(soon(t)) })
	must[struct{}](t, "leadership")(struct{}{}, alone.AwaitLeader(soon(t)))
	const words = "the majority was lost for good"
	alone.waitLog(words)
	alone.stop()
	alone.open()
	cluster{alone}.leader()
	if n := strings.Count(alone.log.String(), words); n != 1 {
		t.Errorf("node %d says %d times that %s", alone.cfg.NodeID, n, words)
	}
}
