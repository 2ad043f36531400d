package historytest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/trace"
)

const (
	// epoch is when the runs begin by the nodes' clocks.
	epoch = 1_700_000_000 * int64(time.Second)
	// fileBytes is how large a file of a trace becomes.
	fileBytes = 1 << 20
)

func (n *node) clock() int64 { return epoch + int64(n.c.now+n.c.Ahead[n.id.NodeID]) }

// recordStart begins a file with the start of the core.
func (n *node) recordStart(cfg core.Config, d core.Durable) {
	n.cfg = cfg
	n.recordHeader()
	n.recorder.Boot(n.clock(), cfg, d)
}

func (n *node) recordHeader() {
	n.files++
	n.written = 0
	n.recorder.Begin(trace.Header{Build: "test", ClusterID: n.id.ClusterID, NodeID: n.id.NodeID, RaftID: n.id.RaftID,
		ClusterUUID: n.id.ClusterUUID, ReplicaUUID: n.id.ReplicaUUID, Life: n.cfg.Seed, File: n.files, Time: n.clock()})
}

// recorded writes what the recorder has. A file that is large enough is followed
// by one that begins with a checkpoint.
func (n *node) recorded() {
	if n.err != nil || n.files == 0 {
		return
	}
	if n.written > fileBytes && n.core != nil {
		n.recorder.End(n.clock(), "the file is full")
		n.take()
		n.recordHeader()
		if err := n.recorder.Checkpoint(n.clock(), n.core); err != nil {
			n.err = err
		}
	}
	n.take()
}

func (n *node) take() {
	if err := n.append(n.recorder.Take(nil)); err != nil {
		n.err = err
	}
}

// append adds frames to the node's newest file.
func (n *node) append(frames []byte) error {
	n.written += len(frames)
	if n.c.Dir == "" || len(frames) == 0 {
		return nil
	}
	dir := filepath.Join(n.c.Dir, fmt.Sprintf("node%d", n.id.NodeID))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(dir, fmt.Sprintf("%08d.trace", n.files)), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(frames)
	return errors.Join(err, f.Close())
}
