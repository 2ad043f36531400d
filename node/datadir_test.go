package node_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgraft/pgraft/node"
)

// A directory that is there and empty becomes the node's, with its mode; what an
// empty file system holds does not count.
func TestEmptyDataDir(t *testing.T) {
	for _, group := range []bool{false, true} {
		m := newMember(t, 1)
		m.cfg.GroupAccess = group
		mkdir(t, filepath.Join(m.cfg.DataDir, "lost+found"), 0o755)
		if err := os.Chmod(m.cfg.DataDir, 0o755); err != nil {
			t.Fatal(err)
		}
		m.open()
		if mode := modeOf(t, m.cfg.DataDir); mode != 0o755 {
			t.Errorf("Open changed the mode to %o", mode)
		}
		m.init(true)
		want := map[bool]fs.FileMode{false: 0o700, true: 0o750}[group]
		if mode := modeOf(t, m.cfg.DataDir); mode != want {
			t.Errorf("group access %v: mode %o, want %o", group, mode, want)
		}
		m.stop()
		if err := os.WriteFile(filepath.Join(m.cfg.DataDir, "README"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		m.open() // what is put beside a store is not looked at
		m.stop()
	}
}

// A directory with something else in it is left as it is.
func TestForeignDataDir(t *testing.T) {
	m := newMember(t, 1)
	mkdir(t, m.cfg.DataDir, 0o755)
	photo := filepath.Join(m.cfg.DataDir, "photo.jpg")
	if err := os.WriteFile(photo, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	wantForeign := func(err error, text, hint string) {
		t.Helper()
		var refused *node.OpenError
		if !errors.As(err, &refused) || !refused.Foreign || !strings.Contains(refused.Text, text) || !strings.Contains(refused.Hint, hint) {
			t.Errorf("the error is %#v, want %q and the hint %q", err, text, hint)
		}
		if names, err := os.ReadDir(m.cfg.DataDir); err != nil || len(names) != 1 || modeOf(t, m.cfg.DataDir) != 0o755 {
			t.Errorf("it holds %v now, with mode %o (%v)", names, modeOf(t, m.cfg.DataDir), err)
		}
	}
	_, err := node.Open(m.cfg)
	wantForeign(err, "is not empty, and holds no data of a node", "directory of its own")

	// the same after Open
	aside := photo + ".aside"
	if err := os.Rename(photo, filepath.Join(t.TempDir(), "photo.jpg")); err != nil {
		t.Fatal(err)
	}
	m.open()
	if err := os.WriteFile(aside, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = m.Init(nil)
	wantForeign(err, "is not empty, and holds no data of a node", "directory of its own")

	// a member whose disk is not the one that is mounted there
	if err := os.Remove(aside); err != nil {
		t.Fatal(err)
	}
	m.init(true).stop()
	if err := os.RemoveAll(m.cfg.DataDir); err != nil {
		t.Fatal(err)
	}
	mkdir(t, m.cfg.DataDir, 0o755)
	if err := os.WriteFile(photo, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = node.Open(m.cfg)
	wantForeign(err, "node 1 was initialised", "mount it")
}

func mkdir(t *testing.T, dir string, mode fs.FileMode) {
	t.Helper()
	if err := os.MkdirAll(dir, mode); err != nil {
		t.Fatal(err)
	}
}

func modeOf(t *testing.T, path string) fs.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}
