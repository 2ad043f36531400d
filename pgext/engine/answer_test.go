package main

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/pgraft/pgraft/node"
	"github.com/pgraft/pgraft/node/store"
)

// What is durable is not reported as if nothing had happened, though its node does
// not lead in time, or stops.
func TestAwaitLead(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	n, err := node.Open(node.Config{ClusterID: "test", NodeID: 1, Address: "127.0.0.1", Port: uint32(port),
		DataDir: filepath.Join(dir, "pgraft"), MarkerPath: filepath.Join(dir, "marker"),
		ElectionTimeout: time.Second, HeartbeatInterval: 100 * time.Millisecond, MaxEntryBytes: 1 << 20, SnapshotEntries: 100,
		Retention: store.Retention{RetainEntries: 100, RetainBytes: 1 << 20}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Init(new(false)); err != nil { // it waits, so it never leads
		t.Fatal(err)
	}
	r, err := awaitLead(t.Context(), n, result{notice: "done"}, "node 1 has done it")
	if err != nil || r.notice != "node 1 has done it, and does not lead it yet" {
		t.Errorf("when it does not lead in time: %q, %v", r.notice, err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	var unfinished *node.UnfinishedError
	e := &engine{}
	if _, err = awaitLead(t.Context(), n, result{}, "node 1 has done it"); !errors.As(err, &unfinished) || e.sqlError(err).state != "40003" {
		t.Errorf("when it stops: %v", err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err = awaitLead(ended, n, result{}, "node 1 has done it"); e.sqlError(err).state != "40003" {
		t.Errorf("SQLSTATE %s when the wait is cancelled", e.sqlError(err).state)
	}
}
