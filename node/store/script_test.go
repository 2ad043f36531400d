package store_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/storetest"
	"github.com/pgraft/pgraft/node/store"
)

// TestScripts runs the stories in testdata/store. Errors are printed output.
//
//	open [retain-entries=N] [retain-bytes=N] [retain-from=N]
//	close
//	crash                      forgets all that was not synced
//	identity [cluster=S node=N]  sets it, or prints it
//	write                      one batch a line: snapshot=INDEX/TERM, keep=INDEX,
//	                           history=A-B/TERM, entries=A-B/TERM, size=BYTES (of each
//	                           entry), mark=INDEX/TERM, hard=TERM/VOTE/COMMIT, promise=MS,
//	                           sync
//	load, bounds               print
//	entries first=N last=N [max=BYTES]
//	retention retain-entries=N retain-bytes=N retain-from=N
//	corrupt key=STRING|entry=N  flips a bit of a record, while closed
//	lose entry=N               deletes an entry, while closed
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "../../testdata/store", func(t *testing.T, path string) {
		s := &script{t: t, fs: vfs.NewCrashableMem()}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			out, err := s.run(d)
			if err != nil {
				out += "error: " + err.Error() + "\n"
			}
			if out == "" {
				return "ok\n"
			}
			return out
		})
		if s.s != nil {
			if err := s.s.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

type script struct {
	t  *testing.T
	fs *vfs.MemFS
	s  *store.Pebble
}

func (s *script) run(d *datadriven.TestData) (out string, err error) {
	defer func() {
		if r := recover(); r != nil {
			out = fmt.Sprintf("panic: %v\n", r)
		}
	}()
	switch d.Cmd {
	case "open":
		s.s, err = store.Open("data", store.Options{FS: s.fs, Logger: quiet, Retention: retention(s.t, d)})
		return "", err
	case "close":
		return "", s.s.Close()
	case "crash":
		fs := s.fs.CrashClone(vfs.CrashCloneCfg{RNG: rand.New(rand.NewPCG(0, 0))})
		err := s.s.Close()
		s.fs, s.s = fs, nil
		return "", err
	case "identity":
		return s.identity(d)
	case "write":
		var batches []core.Persist
		for i, line := range strings.Split(d.Input, "\n") {
			batches = append(batches, parseBatch(s.t, d, uint64(i+1), line))
		}
		return "", s.s.Write(batches)
	case "load":
		return s.load()
	case "bounds":
		b := s.s.Bounds()
		return fmt.Sprintf("%d to %d, %d bytes\n", b.First, b.Last, b.Bytes) + printGaps(b.Gaps), nil
	case "entries":
		max := ^uint64(0)
		d.MaybeScanArgs(s.t, "max", &max)
		es, err := s.s.Entries(arg(s.t, d, "first"), arg(s.t, d, "last"), max)
		return printEntries(es), err
	case "retention":
		return "", s.s.SetRetention(retention(s.t, d))
	case "corrupt", "lose":
		return "", s.tamper(d)
	}
	d.Fatalf(s.t, "unknown command %s", d.Cmd)
	return "", nil
}

func (s *script) identity(d *datadriven.TestData) (string, error) {
	var id core.Identity
	if d.HasArg("node") {
		d.ScanArgs(s.t, "cluster", &id.ClusterID)
		id.NodeID = uint32(arg(s.t, d, "node"))
		return "", s.s.SetIdentity(id)
	}
	id, ok, err := s.s.Identity()
	return fmt.Sprintf("cluster %q, node %d, set: %v\n", id.ClusterID, id.NodeID, ok), err
}

func (s *script) load() (string, error) {
	d, err := s.s.Load()
	if err != nil {
		return "", err
	}
	out := fmt.Sprintf("term %d, vote %d, commit %d, promise %d ms\n", d.HardState.Term, d.HardState.Vote, d.HardState.Commit, d.PromiseMillis)
	if d.Snapshot != nil {
		out += fmt.Sprintf("snapshot %d/%d\n", d.Snapshot.Index, d.Snapshot.Term)
	}
	return out + printGaps(d.Gaps) + printEntries(d.Entries), nil
}

func (s *script) tamper(d *datadriven.TestData) error {
	db, err := pebble.Open("data", &pebble.Options{FS: s.fs, FormatMajorVersion: pebble.FormatTableFormatV6, Logger: pebbleQuiet{}})
	if err != nil {
		return err
	}
	var key []byte
	if d.HasArg("entry") {
		key = []byte{'e', 0, 0, 0, 0, 0, 0, 0, byte(arg(s.t, d, "entry"))}
	} else {
		var name string
		d.ScanArgs(s.t, "key", &name)
		key = []byte(name)
	}
	if d.Cmd == "lose" {
		return errors.Join(db.Delete(key, pebble.Sync), db.Close())
	}
	value, closer, err := db.Get(key)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	bad := append([]byte(nil), value...)
	bad[len(bad)/2] ^= 4
	return errors.Join(closer.Close(), db.Set(key, bad, pebble.Sync), db.Close())
}

func arg(t *testing.T, d *datadriven.TestData, name string) (v uint64) {
	d.ScanArgs(t, name, &v)
	return v
}

func retention(t *testing.T, d *datadriven.TestData) (r store.Retention) {
	d.MaybeScanArgs(t, "retain-entries", &r.RetainEntries)
	d.MaybeScanArgs(t, "retain-bytes", &r.RetainBytes)
	d.MaybeScanArgs(t, "retain-from", &r.RetainFrom)
	return r
}

func printEntries(es []core.Entry) string {
	var b strings.Builder
	for _, e := range es {
		fmt.Fprintf(&b, "entry %d/%d, %d bytes\n", e.Index, e.Term, len(e.Data))
	}
	return b.String()
}

func printGaps(gaps []core.Gap) string {
	var b strings.Builder
	for _, g := range gaps {
		fmt.Fprintf(&b, "gap %d to %d\n", g.From, g.To)
	}
	return b.String()
}

// parseBatch reads a line of write.
func parseBatch(t *testing.T, d *datadriven.TestData, seq uint64, line string) core.Persist {
	in, size := core.Persist{Seq: seq}, 10
	var entries, history []uint64
	for _, word := range strings.Fields(line) {
		name, value, _ := strings.Cut(word, "=")
		n := numbers(t, d, value)
		switch name {
		case "sync":
			in.Sync = true
		case "size":
			size = int(n[0])
		case "promise":
			in.PromiseMillis = n[0]
		case "snapshot":
			in.Snapshot = &core.Snapshot{Index: n[0], Term: n[1]}
		case "mark":
			in.Mark = &core.Snapshot{Index: n[0], Term: n[1]}
		case "hard":
			in.HardState = &core.HardState{Term: n[0], Vote: n[1], Commit: n[2]}
		case "entries":
			entries = n
		case "history":
			history = n
		case "keep":
			in.Keep = n[0]
		default:
			d.Fatalf(t, "unknown word %s", word)
		}
	}
	made := func(n []uint64) []core.Entry {
		if n == nil {
			return nil
		}
		return storetest.Entries(n[0], int(n[1]-n[0])+1, n[2], size)
	}
	in.Entries, in.History = made(entries), made(history)
	return in
}

// numbers reads 1-2/3.
func numbers(t *testing.T, d *datadriven.TestData, s string) (out []uint64) {
	for _, f := range strings.FieldsFunc(s, func(r rune) bool { return r == '/' || r == '-' }) {
		n, err := strconv.ParseUint(f, 10, 64)
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
		out = append(out, n)
	}
	return out
}
