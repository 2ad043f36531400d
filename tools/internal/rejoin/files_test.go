package rejoin

import (
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/core/failover/host"
)

// own are what a server has of its own, and data, what pg_rewind and pg_basebackup make anew.
var (
	own = map[string]string{"postgresql.conf": "port = 1", "postgresql.auto.conf": "a = 1", "pg_hba.conf": "mine", "server.key": "secret", "conf.d/a.conf": "x = 1",
		"pgraft/000001.log": strings.Repeat("entry", 1<<18), "pgraft/FAILOVER": "", "pgraft.failover": "", "pgraft.initialized": "me", "log/today": "mine"}
	data   = map[string]string{"PG_VERSION": "15", "base/1/1": "page", "global/pg_control": "mine", "pg_wal/000000010000000000000001": "wal", "pg_log/old": "x"}
	others = map[string]string{"postgresql.conf": "port = 2", "postgresql.auto.conf": "a = 2", "pg_hba.conf": "theirs", "only_theirs.conf": "y", "only_theirs/a": "z",
		"pgraft/000009.log": "theirs", "pgraft/FAILOVER": "theirs", "pgraft.failover": "theirs", "pgraft.initialized": "them", "log/yesterday": "theirs"}
	theirs = map[string]string{"PG_VERSION": "15", "base/1/1": "other page", "global/pg_control": "theirs", "pg_wal/000000020000000000000001": "other wal"}
)

// aHelper is for a server with its own files and data.
func aHelper(t *testing.T) *helper {
	h := &helper{Options: Options{DataDir: filepath.Join(t.TempDir(), "data"), Log: io.Discard}}
	h.named, h.Store = h.DataDir, filepath.Join(h.DataDir, "pgraft")
	write(t, h.DataDir, own, data)
	d, s := host.Data{Joined: true, JoinedOn: 1, Sealed: 5, Nonce: 7}, host.Store{Joined: true, Boot: 3, Nonce: 7}
	write(t, h.DataDir, map[string]string{"pgraft.failover": string(d.Marshal()), "pgraft/FAILOVER": string(s.Marshal())})
	h.marker = host.Rejoining{Order: failover.Rejoin{Epoch: 6, History: []failover.Branch{{Timeline: 2}}}, From: host.Source{Epoch: 6, Timeline: 2}}
	must(t, h.at(host.StageRewinding))
	return h
}

// becomes is what pg_rewind leaves in the data directory.
func becomes(t *testing.T, h *helper) {
	entries, err := os.ReadDir(h.DataDir)
	must(t, err)
	for _, e := range entries {
		must(t, os.RemoveAll(filepath.Join(h.DataDir, e.Name())))
	}
	write(t, h.DataDir, others, theirs)
}

// The own files come back as they were, and nothing of the source's own does: also if the helper
// is killed after any of its calls, and begins the stage again.
func TestOwnFilesComeBack(t *testing.T) {
	for _, clone := range []bool{false, true} {
		for _, again := range []bool{false, true} {
			t.Run(fmt.Sprintf("clone=%v,again=%v", clone, again), func(t *testing.T) {
				h := aHelper(t)
				twice := func(f func() error) {
					must(t, f())
					if again {
						must(t, f())
					}
				}
				twice(h.putAside)
				if clone {
					write(t, h.newDir(), others, theirs, map[string]string{cloneMark: ""})
				} else {
					becomes(t, h)
					twice(h.putAside) // what is there by now is not ours
				}
				must(t, h.at(host.StageMade))
				twice(h.putInPlace)
				twice(h.clearsOthers)
				must(t, h.at(host.StageBack))
				twice(h.putBack)
				must(t, h.finishes())
				isAnew(t, h, clone)
			})
		}
	}
}

// A helper that is killed between two own files has put some aside, or back.
func TestOwnFilesByHalf(t *testing.T) {
	for n := range len(own) {
		h := aHelper(t)
		must(t, os.Mkdir(h.asideDir(), 0o700))
		names, err := h.own()
		must(t, err)
		if n >= len(names) {
			break
		}
		must(t, os.Rename(filepath.Join(h.DataDir, names[n]), filepath.Join(h.asideDir(), names[n])))
		must(t, h.putAside())
		becomes(t, h)
		must(t, h.at(host.StageMade))
		must(t, h.putInPlace())
		must(t, h.clearsOthers())
		must(t, h.at(host.StageBack))
		must(t, os.RemoveAll(filepath.Join(h.DataDir, names[n])))
		must(t, os.Rename(filepath.Join(h.asideDir(), names[n]), filepath.Join(h.DataDir, names[n])))
		must(t, h.finishes())
		isAnew(t, h, false)
	}
}

// isAnew looks at what is there in the end.
func isAnew(t *testing.T, h *helper, cloned bool) {
	t.Helper()
	want := maps.Clone(own)
	maps.Copy(want, theirs)
	want["standby.signal"] = ""
	got := tree(t, h.DataDir)
	var d host.Data
	var s host.Store
	var err error
	if d, err = host.UnmarshalData([]byte(got["pgraft.failover"])); err == nil {
		s, err = host.UnmarshalStore([]byte(got["pgraft/FAILOVER"]))
	}
	must(t, err)
	if d.Sealed != 5 || d.Anew != 6 || d.EpochOf(2) != 6 || s.Boot != 3 || d.Nonce != s.Nonce || d.Nonce == 7 {
		t.Errorf("the notes are %+v, %+v", d, s)
	}
	want["pgraft.failover"], want["pgraft/FAILOVER"] = got["pgraft.failover"], got["pgraft/FAILOVER"]
	if !maps.Equal(got, want) {
		t.Errorf("there is %q, want %q", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
	left, err := os.ReadDir(filepath.Dir(h.DataDir))
	must(t, err)
	var names []string
	for _, e := range left {
		names = append(names, e.Name())
	}
	beside := []string{"data"}
	if cloned {
		beside = append(beside, "data.pgraft_old_1")
		if was := tree(t, h.DataDir+".pgraft_old_1"); was["base/1/1"] != data["base/1/1"] || was["global/pg_control"] != "mine" {
			t.Errorf("the data of before has %q", slices.Sorted(maps.Keys(was)))
		}
	}
	if !slices.Equal(names, beside) {
		t.Errorf("beside the data there is %q, want %q", names, beside)
	}
}

// write makes files in a directory.
func write(t *testing.T, dir string, files ...map[string]string) {
	t.Helper()
	for _, m := range files {
		for name, text := range m {
			path := filepath.Join(dir, name)
			must(t, os.MkdirAll(filepath.Dir(path), 0o700))
			must(t, os.WriteFile(path, []byte(text), 0o600))
		}
	}
}

// tree is all that is below a directory.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	must(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		files[strings.TrimPrefix(path, dir+"/")] = string(b)
		return err
	}))
	return files
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A data directory that is a symbolic link stays one: what is beside lies beside where it leads.
func TestDataBehindALink(t *testing.T) {
	h := aHelper(t)
	link := filepath.Join(t.TempDir(), "link")
	must(t, os.Symlink(h.DataDir, link))
	must(t, os.Rename(h.markerPath(), link+host.MarkerSuffix))
	h.named = link
	must(t, h.putAside())
	write(t, h.newDir(), others, theirs, map[string]string{cloneMark: ""})
	write(t, h.DataDir, map[string]string{lockFile: "77"})
	must(t, h.at(host.StageMade))
	must(t, h.putInPlace())
	if text, err := os.ReadFile(filepath.Join(h.DataDir, lockFile)); err != nil || string(text) != "77" {
		t.Errorf("the lock file has %q, %v", text, err)
	}
	must(t, os.Remove(filepath.Join(h.DataDir, lockFile)))
	must(t, h.finishes())
	isAnew(t, h, true)
	if to, err := os.Readlink(link); err != nil || to != h.DataDir {
		t.Errorf("the link leads to %q, %v", to, err)
	}
}

// A tablespace outside the data directory keeps a clone from being made, and is named.
func TestTablespaceIsNotCloned(t *testing.T) {
	h := aHelper(t)
	h.Clone = true
	must(t, os.MkdirAll(filepath.Join(h.DataDir, "pg_tblspc"), 0o700))
	for _, c := range []struct {
		link bool
		want string
	}{{false, ""}, {true, "its tablespace in /srv/space cannot be cloned by itself"}} {
		if c.link {
			must(t, os.Symlink("/srv/space", filepath.Join(h.DataDir, "pg_tblspc/16384")))
		} else {
			must(t, os.Mkdir(filepath.Join(h.DataDir, "pg_tblspc/16385"), 0o700)) // in place
		}
		w, err := h.ways()
		must(t, err)
		if w.Clone != (c.want == "") || fmt.Sprint(h.noWay) != fmt.Sprint(map[bool]any{true: nil, false: c.want}[c.want == ""]) {
			t.Errorf("with a link: %v, it may be cloned: %v, and the reason is %v", c.link, w.Clone, h.noWay)
		}
	}
}
