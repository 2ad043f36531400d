//go:build integration

package systems

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/pgraft/pgraft/tools/bench/internal/grown"
	"github.com/pgraft/pgraft/tools/bench/internal/record"
	"github.com/pgraft/pgraft/tools/internal/pgcluster"
)

// served is set in the processes in which a log is read.
const served = "PGRAFT_BENCH_GROWN"

func TestMain(m *testing.M) {
	if os.Getenv(served) == "" {
		os.Exit(m.Run())
	}
	if err := grown.Main(context.Background(), os.Args[len(os.Args)-1], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// A log that package node has filled is a server's own, and grows again after it.
func TestHolder(t *testing.T) {
	install, dir := installed(t)
	t.Setenv(served, "1")
	h := NewHolder(install, dir, os.Args[0], "-test.run=^$")
	defer func() { must(t, h.Stop()) }()
	for _, entries := range []int{2000, 30_000, 500} { // the last begins anew
		written, _, err := h.Fill(t.Context(), entries, 64)
		must(t, err)
		if written < 1 || written > entries {
			t.Errorf("of %d entries %d were written", entries, written)
		}
		if n, err := h.Disk(); err != nil || n < int64(64*entries) {
			t.Errorf("%d bytes on the disk, %v", n, err)
		}
		node, err := h.Node(t.Context(), 20)
		must(t, err)
		sql, err := h.SQL(t.Context(), 20, 0)
		must(t, err)
		for _, o := range []record.Opened{node, sql} {
			if o.Answers <= 0 || o.Reads != 20 || o.Get.P50 <= 0 || o.Memory < 1<<20 || o.After < 1<<20 {
				t.Errorf("%d entries: %+v", entries, o)
			}
		}
		if sql.Rested < 1<<20 || h.Version() == "" {
			t.Errorf("%+v, version %q", sql, h.Version())
		}
	}
}

// A follower that was away comes back to all that it missed, which was more than the
// leader has in memory.
func TestAbsentee(t *testing.T) {
	install, dir := installed(t)
	a := NewAbsentee(install, dir)
	defer func() { must(t, a.Stop()) }()
	must(t, a.Start(t.Context()))
	c := record.Cell{System: a.Name(), Operation: record.Write, Through: record.Leader, Bytes: MaxBytes, Sessions: 4}
	l, err := NewLedger(c.Sessions, c.Bytes)
	must(t, err)
	_, err = a.Epoch(t.Context())
	must(t, err)
	must(t, a.Mark(t.Context()))
	must(t, a.Away(t.Context()))
	var group errgroup.Group
	for i := range c.Sessions {
		group.Go(func() error {
			session, err := a.Open(t.Context(), c, l, i)
			for n := 0; n < 10 && err == nil; n++ {
				if err = session.Do(t.Context(), n); err == nil {
					l.Wrote(i, n, true)
				}
			}
			if err != nil {
				return err
			}
			return session.Close(context.WithoutCancel(t.Context()))
		})
	}
	must(t, group.Wait())
	follows, complete, err := a.Return(t.Context())
	must(t, err)
	if follows <= 0 || complete < follows {
		t.Errorf("it follows after %v, and has all after %v", follows, complete)
	}
	must(t, a.Check(t.Context(), l))
}

// installed is the PostgreSQL of the test, and a directory that its servers can use.
func installed(t *testing.T) (pgcluster.Install, string) {
	t.Helper()
	install, err := pgcluster.Find(os.Getenv("PGRAFT_PG_CONFIG"))
	must(t, err)
	dir := t.TempDir()
	for parent := dir; parent != os.TempDir() && parent != "/"; parent = parent[:strings.LastIndex(parent, "/")] {
		must(t, os.Chmod(parent, 0o755)) // the servers may run as another user
	}
	return install, dir
}
