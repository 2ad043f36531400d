package node_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/pgraft/pgraft/node/recorder"
)

// The flight recorder stays on while eight sessions replicate large entries, with
// the smallest ring too, and what it holds replays. Each node's log is full before
// the last entries come, so that the checkpoints are as large as they get.
func TestTraceOfLargeEntries(t *testing.T) {
	t.Parallel() // it mostly waits
	for _, c := range []struct {
		name           string
		ring           int64
		bytes, entries int
	}{
		{"1 MB", 64 << 20, 1 << 20, 48},
		{"64 kB", 64 << 20, 64 << 10, 640},
		{"1 MB in the smallest ring", recorder.MinBytes, 1 << 20, 32},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newCluster(t, 3, func(m *member) {
				m.cfg.MaxEntryBytes, m.cfg.SnapshotEntries, m.cfg.Trace.MaxBytes = 1<<20, 10_000, c.ring
				m.cfg.ElectionTimeout, m.cfg.HeartbeatInterval = 10*electionTimeout, 10*heartbeatInterval
			})
			leader := l.leader()
			var sessions sync.WaitGroup
			for s := range 8 {
				sessions.Go(func() {
					for i := s; i < c.entries; i += 8 {
						data := bytes.Repeat([]byte(fmt.Sprintf("entry %d of many;", i)), c.bytes/16)[:c.bytes]
						if _, _, err := leader.Propose(soon(t), request(s, i), data); err != nil {
							t.Errorf("propose: %v", err)
							return
						}
					}
				})
			}
			sessions.Wait()
			for _, m := range l {
				if log := m.log.String(); strings.Contains(log, "flight recorder is off") {
					t.Errorf("node %d turned its recorder off:\n%s", m.cfg.NodeID, log)
				}
				// Each node starts again from a log that is full of them.
				m.stop()
				m.open()
				m.stop()
				p := replayTrace(t, m.traceDir())
				paths, err := filepath.Glob(filepath.Join(m.traceDir(), "*.trace"))
				if err != nil {
					t.Fatal(err)
				}
				if p.inputs < c.entries || len(p.Gaps) > 0 {
					t.Errorf("node %d: %d inputs in %d files, gaps %v", m.cfg.NodeID, p.inputs, len(paths), p.Gaps)
				}
			}
		})
	}
}
