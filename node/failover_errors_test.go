package node_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/pgraft/pgraft/core/failover/host"
	"github.com/pgraft/pgraft/node"
)

// failWith has all calls of a server's node fail, but Publish; nil: none.
func (v *server) failWith(err error) {
	v.x.mu.Lock()
	defer v.x.mu.Unlock()
	v.fails = err
}

// note is the Raft store's note of a member's server, as it is on the disk.
func (m *member) note() host.Store {
	m.t.Helper()
	b := must[[]byte](m.t, "the note")(os.ReadFile(filepath.Join(m.cfg.DataDir, host.StoreFile)))
	return must[host.Store](m.t, "the note")(host.UnmarshalStore(b))
}

// renewed waits until the nonce of this start is the only one, and returns the store's note.
func (v *server) renewed() (s host.Store) {
	v.m.t.Helper()
	eventually(v.m.t, fmt.Sprintf("the nonce of node %d", v.m.cfg.NodeID), func() error {
		v.x.mu.Lock()
		defer v.x.mu.Unlock()
		if s = v.m.note(); s.Nonce == 0 || s.NextNonce != 0 || s.Nonce != v.data.Nonce || s.Nonce == v.nonce {
			return fmt.Errorf("the store has %+v, the data directory %+v", s, v.data)
		}
		v.nonce = s.Nonce
		return nil
	})
	return s
}

// A server whose calls fail stops nothing: the node says so once, goes on, and reports the server
// once it answers.
func TestServerThatFails(t *testing.T) {
	f := newFailing(t, 3)
	v := f.all[1]
	v.renewed() // so that what fails is a look
	v.failWith(errors.New("no such luck"))
	const says = "the PostgreSQL server of node 2: a look at it has failed: no such luck"
	v.m.waitLog(says)
	index := v.m.propose(request(1, 1), "meanwhile")
	for _, m := range f.cluster {
		m.applied(index)
	}
	v.failWith(nil)
	v.m.waitLog("the PostgreSQL server of node 2: a look at it works again")
	if n := strings.Count(v.m.log.String(), says); n != 1 {
		t.Errorf("it is said %d times that a look fails", n)
	}
	f.enabled(calm())
	f.commits(f.all[0], 3)
	f.follows(v, f.all[0])
}

// A server that does not answer blocks nothing of the node, and its Close no longer than a part
// of the limit.
func TestServerThatHangs(t *testing.T) {
	f := newFailing(t, 3).enabled(calm())
	v := f.all[2]
	hangs := make(chan struct{})
	v.x.mu.Lock()
	v.hangs = hangs
	v.x.mu.Unlock()
	index := v.m.propose(request(1, 1), "meanwhile")
	v.m.applied(index)
	s := v.m.settings()
	s.SnapshotEntries++
	if err := v.m.Reload(s); err != nil {
		t.Fatal(err)
	}
	v.m.applied(v.m.propose(request(1, 2), "with another core"))
	close(hangs)
	f.commits(f.all[0], 3)
	f.follows(v, f.all[0])
}

// A call that never returns is said to be one when the node is closed.
func TestCloseOfServerThatHangs(t *testing.T) {
	v := newServers(t, 1).all[0]
	m := newMember(t, 1)
	v.m, m.cfg.Server, m.cfg.CloseLimit = m, v, time.Second
	hangs := make(chan struct{})
	v.hangs = hangs
	m.open().init(true)
	eventually(t, "a call of the server", func() error {
		if !v.hung.Load() {
			return errors.New("there is none")
		}
		return nil
	})
	if err := m.Close(); !errors.Is(err, node.ErrServerHangs) {
		t.Errorf("Close: %v", err)
	}
	m.Node = nil
	before := m.note()
	close(hangs)
	m.open()
	if got := m.note(); got.Boot != before.Boot+1 {
		t.Errorf("boot %d after boot %d", got.Boot, before.Boot)
	}
}

// noteDisk fails whatever is about the note once it is broken.
type noteDisk struct{ broken atomic.Bool }

func (d *noteDisk) String() string { return "a disk that fails under the note" }

func (d *noteDisk) MaybeError(op errorfs.Op) error {
	if d.broken.Load() && strings.HasPrefix(filepath.Base(op.Path), host.StoreFile) {
		return errorfs.ErrInjected
	}
	return nil
}

// Each core has a boot number of its own, and the nonces are those of the data directory.
func TestStoreNote(t *testing.T) {
	v := newServers(t, 1).all[0]
	m := newMember(t, 1)
	v.m, m.cfg.Server = m, v
	m.open().init(true)
	path := filepath.Join(m.cfg.DataDir, host.StoreFile)
	first := v.renewed().Boot
	for boot := first + 1; boot < first+4; boot++ {
		m.stop()
		m.open()
		if got := v.renewed(); got.Boot != boot {
			t.Errorf("boot %d has number %d", boot, got.Boot)
		}
	}
	m.stop()
	// With a note that is lost none of the numbers is given again.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	for range 6 {
		m.open()
		if got := m.note(); got.Boot >= first && got.Boot < first+4 {
			t.Errorf("boots %d to %d were, and so is %d again", first, first+3, got.Boot)
		}
		m.stop()
	}
	if err := os.WriteFile(path, []byte("pgraft store 1\nof others\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := m.refusesToOpen(); !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "add it again") {
		t.Errorf("a damaged note: %v", err)
	}
}

// What is left of a store that is gone counts for nothing: a store that is made knows nothing of
// the server.
func TestStoreNoteOfOldStore(t *testing.T) {
	v := newServers(t, 1).all[0]
	m := newMember(t, 1)
	v.m, m.cfg.Server = m, v
	mkdir(t, m.cfg.DataDir, 0o700)
	old := host.Store{Joined: true, Boot: 41}
	for _, name := range []string{host.StoreFile, host.StoreFile + ".new"} {
		if err := os.WriteFile(filepath.Join(m.cfg.DataDir, name), old.Marshal(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m.open().init(true)
	if s := m.note(); s.Joined || s.Boot <= old.Boot {
		t.Errorf("the note of a store that was made: %+v", s)
	}
}

// A disk on which the note cannot be written stops the node, as in the log store: the server is
// fenced from then on.
func TestStoreNoteOnFailedDisk(t *testing.T) {
	d := &noteDisk{}
	f := newFailing(t, 3)
	f.enabled(calm())
	v := f.all[0]
	v.m.stop()
	v.m.cfg.FS = errorfs.Wrap(vfs.Default, d)
	d.broken.Store(true)
	if err := v.m.refusesToOpen(); !errors.Is(err, errorfs.ErrInjected) {
		t.Errorf("with a disk that fails: %v", err)
	}
	d.broken.Store(false)
	v.m.open()
	if p := f.primary(1); p != v {
		t.Fatalf("node %d serves", p.m.cfg.NodeID)
	}
	d.broken.Store(true)
	v.m.wantFailed(t)
	v.x.mu.Lock()
	s := v.shared
	v.x.mu.Unlock()
	if !s.Failover || s.Open || s.Primary || s.LeaseCounts {
		t.Errorf("once the node has failed, shared memory says %+v", s)
	}
	v.m.stop() // its log store has not failed
}

// A node that is removed has its server, which takes writes, restart as a standby.
func TestRemovedNodeIsDemoted(t *testing.T) {
	f := newFailing(t, 3)
	v := f.all[2]
	v.renewed()
	v.x.mu.Lock()
	v.recovery, v.source, v.data.Joined = false, "", true
	v.x.mu.Unlock()
	f.asLeader("removing node 3", func(l *member) error { return l.RemoveNode(soon(t), 3) })
	select {
	case got := <-v.restarts:
		if got != host.ToRemove {
			t.Errorf("it restarts %v", got)
		}
	case <-time.After(patience):
		t.Error("it goes on to take writes")
	}
	eventually(t, "the removal", func() error { return v.m.inState(node.Removed) })
}
