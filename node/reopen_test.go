package node_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/pgraft/pgraft/node"
	"github.com/pgraft/pgraft/node/store"
)

// forbidden is a directory that its mode forbids while it is on: files that are
// open can be used, and no other.
type forbidden struct {
	on    atomic.Bool
	tries atomic.Int64
}

func (*forbidden) String() string { return "forbidden" }

func (f *forbidden) MaybeError(op errorfs.Op) error {
	if !f.on.Load() {
		return nil
	}
	switch op.Kind {
	case errorfs.OpCreate, errorfs.OpOpen, errorfs.OpOpenDir, errorfs.OpLock, errorfs.OpList:
		f.tries.Add(1)
		return &fs.PathError{Op: "open", Path: op.Path, Err: syscall.EACCES}
	}
	return nil
}

// A directory that may not be entered any more stops a node when it needs another
// file in it, and the node goes on by itself once it may: with all that it had.
func TestComesBackWithThePermission(t *testing.T) {
	t.Parallel() // it mostly waits
	mode := &forbidden{}
	c := newCluster(t, 3, func(m *member) {
		if m.cfg.NodeID == 3 {
			m.cfg.FS = errorfs.Wrap(vfs.Default, mode)
		}
	})
	for cluster(c).leader() == c[2] {
		c.asLeader("hand leadership over", func(leader *member) error { return leader.TransferLeader(soon(t), 1) })
	}
	want := map[uint64]string{}
	put := func(n int) {
		for range n {
			i := len(want)
			data := strings.Repeat(fmt.Sprintf("%d;", i), 100_000)
			want[c[:2].leader().propose(request(1, i), data)] = data
		}
	}
	put(3)
	mode.on.Store(true)
	for c[2].inState(node.Failed) != nil {
		put(3) // until the log store needs another file
	}
	if _, err := c[2].State(); !node.MayPass(err) || !errors.Is(err, fs.ErrPermission) || !strings.Contains(c[2].log.String(), "starts again by itself") {
		t.Errorf("it failed with %v", err) // by now it may have tried once more
	}
	tried := mode.tries.Load()
	eventually(t, "another try", func() error {
		if mode.tries.Load() < tried+2 {
			return fmt.Errorf("%d", mode.tries.Load())
		}
		return nil
	})
	if err := c[2].inState(node.Failed); err != nil {
		t.Error(err)
	}
	put(1)
	mode.on.Store(false)
	eventually(t, "node 3 to run again", func() error { return c[2].inState(node.Running) })
	put(1)
	c.wantLogs(want)
	if n := strings.Count(c[2].log.String(), "waits for its data directory"); n != 1 {
		t.Errorf("it said %d times that it waits", n)
	}
}

// Files that are taken away under a running node stop it before long, and it makes
// none in their place. Moved back, or mounted again, it goes on by itself.
func TestFilesTakenAway(t *testing.T) {
	t.Parallel() // it mostly waits
	c := newCluster(t, 3, nil)
	want := map[uint64]string{}
	put := func() {
		data := fmt.Sprint("entry ", len(want))
		want[c.leader().propose(request(1, len(want)), data)] = data
	}
	put()
	for _, m := range []*member{c.leader(), c.followers()[0]} {
		away := filepath.Join(filepath.Dir(m.cfg.DataDir), "away")
		for _, emptied := range []bool{false, true} { // moved; another file system mounted over it
			must[struct{}](t, "move")(struct{}{}, os.Rename(m.cfg.DataDir, away))
			if emptied {
				must[struct{}](t, "mkdir")(struct{}{}, os.Mkdir(m.cfg.DataDir, 0o700))
			}
			eventually(t, "a node without files to stop", func() error { return m.inState(node.Failed) })
			eventually(t, "it to say what it waits for", func() error {
				if _, err := m.State(); err == nil || !strings.Contains(err.Error(), "is empty, but") || !strings.Contains(err.Error(), "mount it") {
					return err
				}
				return nil
			})
			if names, err := os.ReadDir(m.cfg.DataDir); len(names) > 0 || !emptied && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("it made %v, %v", names, err)
			}
			must[struct{}](t, "move back")(struct{}{}, errors.Join(os.RemoveAll(m.cfg.DataDir), os.Rename(away, m.cfg.DataDir)))
			eventually(t, "it to run again", func() error { return m.inState(node.Running) })
			put()
		}
	}
	c.wantLogs(want)
}

// A file that only keeps room back makes no store of an empty directory: Pebble would
// begin one there, and the node would not wait for its own any more.
func TestBallastIsNoStore(t *testing.T) {
	m := newMember(t, 1)
	m.open().init(true)
	m.stop()
	away := filepath.Join(filepath.Dir(m.cfg.DataDir), "away")
	must[struct{}](t, "move")(struct{}{}, errors.Join(os.Rename(m.cfg.DataDir, away), os.Mkdir(m.cfg.DataDir, 0o700)))
	must[struct{}](t, "write")(struct{}{}, os.WriteFile(filepath.Join(m.cfg.DataDir, "BALLAST"), nil, 0o600))
	if err := m.refusesToOpen(); !strings.Contains(err.Error(), "mount it") || !node.MayPass(err) {
		t.Error(err)
	}
	if names, err := os.ReadDir(m.cfg.DataDir); len(names) != 1 {
		t.Errorf("it made %v, %v", names, err)
	}
	must[struct{}](t, "move back")(struct{}{}, errors.Join(os.RemoveAll(m.cfg.DataDir), os.Rename(away, m.cfg.DataDir)))
	m.open()
	eventually(t, "it to run", func() error { return m.inState(node.Running) })
}

// What is lost for good stays so: a node whose files were removed says how to have
// it back, and nothing but that brings it back.
func TestFilesRemoved(t *testing.T) {
	m := newMember(t, 1)
	m.open().init(true)
	m.propose(request(1, 1), "x")
	names := must[[]os.DirEntry](t, "list")(os.ReadDir(m.cfg.DataDir))
	for _, e := range names {
		if strings.HasSuffix(e.Name(), ".log") {
			must[struct{}](t, "remove")(struct{}{}, os.Remove(filepath.Join(m.cfg.DataDir, e.Name())))
		}
	}
	eventually(t, "it to stop for good", func() error {
		_, err := m.State()
		var damaged *store.CorruptError
		if !errors.As(err, &damaged) || node.MayPass(err) {
			return fmt.Errorf("in state: %w", err)
		}
		return nil
	})
	if _, _, err := m.Propose(soon(t), request(1, 2), []byte("y")); err == nil {
		t.Error("it took another entry")
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	m.Node = nil
	if err := m.refusesToOpen(); !strings.Contains(err.Error(), "is damaged") || !strings.Contains(err.Error(), m.cfg.DataDir) {
		t.Error(err)
	}
}

// A damaged marker is no reason to give the data up.
func TestDamagedMarker(t *testing.T) {
	m := newMember(t, 1)
	m.open().init(true)
	index := m.propose(request(1, 1), "x")
	m.stop()
	good := must[[]byte](t, "marker")(os.ReadFile(m.cfg.MarkerPath))
	for name, bad := range map[string][]byte{"emptied": {}, "halved": good[:len(good)/2], "other bytes": []byte("\x00\x01"), "no uuid": []byte(`{"node_id": 1, "replica_uuid": "12"}`),
		"a recovery of nothing": bytes.Replace(good, []byte("{"), []byte(`{"recovered_at_index": [7],`), 1)} {
		must[struct{}](t, name)(struct{}{}, os.WriteFile(m.cfg.MarkerPath, bad, 0o600))
		var refused *node.OpenError
		if err := m.refusesToOpen(); !errors.As(err, &refused) || refused.Passes ||
			!strings.Contains(refused.Text, m.cfg.MarkerPath+" is damaged") || !strings.Contains(refused.Hint, "delete that file") {
			t.Errorf("%s: %v", name, err)
		}
	}
	must[struct{}](t, "remove")(struct{}{}, os.Remove(m.cfg.MarkerPath))
	m.open()
	cluster{m}.wantLogs(map[uint64]string{index: "x"})
	m.stop()
	if now := must[[]byte](t, "marker")(os.ReadFile(m.cfg.MarkerPath)); string(now) != string(good) {
		t.Errorf("it wrote %s in place of %s", now, good)
	}
}
