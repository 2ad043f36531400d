//go:build integration

package systems

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/pgraft/pgraft/tools/bench/internal/record"
)

// etcdEnv names etcd's server, to test that system too.
const etcdEnv = "PGRAFT_ETCD"

// Each system keeps what it acknowledged, its check notices what is not there, and
// after Stop nothing of it is left.
func TestSystems(t *testing.T) {
	install, dir := installed(t)
	all := []System{NewPgraft(install, dir), NewPostgres(install, dir)}
	if program := os.Getenv(etcdEnv); program != "" {
		all = append(all, NewEtcd(program, dir))
	}
	for _, s := range all {
		t.Run(s.Name(), func(t *testing.T) { testSystem(t, s) })
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func testSystem(t *testing.T, s System) {
	var pids []int
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
		for _, pid := range pids {
			if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
				t.Errorf("process %d is still there: %v", pid, err)
			}
		}
	})
	must(t, s.Start(t.Context()))
	parts, err := s.Processes()
	must(t, err)
	pids = parts[record.Servers]
	if len(pids) < servers || s.Version() == "" {
		t.Errorf("version %q, processes %v", s.Version(), parts)
	}
	for _, pid := range parts[record.Engines] {
		if !slices.Contains(pids, pid) {
			t.Errorf("the engine %d is not among the servers' processes %v", pid, pids)
		}
	}
	for _, through := range []string{record.Leader, record.Follower} {
		if through == record.Follower && s.Name() == record.Postgres {
			continue // a standby takes no writes
		}
		for _, bytes := range []int{256, MaxBytes} {
			writeAndCheck(t, s, record.Cell{System: s.Name(), Operation: record.Write, Through: through, Bytes: bytes, Sessions: 3})
		}
	}
	reads := map[string][]string{record.Pgraft: {record.SelectOne, record.IsLeader, record.GetLeader, record.GetTerm, record.Barrier},
		record.Etcd: {record.Get}}[s.Name()]
	for _, operation := range reads {
		session, err := s.Open(t.Context(), record.Cell{System: s.Name(), Operation: operation, Through: record.Leader, Sessions: 1}, nil, 0)
		must(t, err)
		must(t, session.Ready(t.Context()))
		must(t, session.Do(t.Context(), 0))
		must(t, session.Close(t.Context()))
	}
	if _, err := s.Open(t.Context(), record.Cell{System: s.Name(), Operation: "nonsense"}, nil, 0); err == nil {
		t.Error("an operation that there is not was taken")
	}
}

const writes = 4 // of each session

func writeAndCheck(t *testing.T, s System, c record.Cell) {
	t.Helper()
	l, err := NewLedger(c.Sessions, c.Bytes)
	must(t, err)
	epoch, err := s.Epoch(t.Context())
	must(t, err)
	if epoch == "" && s.Name() != record.Postgres {
		t.Errorf("%s does not say who leads", s.Name())
	}
	must(t, s.Mark(t.Context()))
	var group errgroup.Group
	for i := range c.Sessions {
		group.Go(func() error {
			session, err := s.Open(t.Context(), c, l, i)
			if err != nil {
				return err
			}
			for n := range writes {
				if err := session.Do(t.Context(), n); err != nil {
					return err
				}
				l.Wrote(i, n, true)
			}
			return session.Close(context.WithoutCancel(t.Context()))
		})
	}
	must(t, group.Wait())
	must(t, s.Check(t.Context(), l))
	// Had one more been acknowledged, the check would miss it.
	l.Wrote(1, writes, true)
	want := "1 of 13 acknowledged writes are not there, the first is " + l.Key(1, writes)
	if err := s.Check(t.Context(), l); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%s: the check says %v, want %q", c, err, want)
	}
	must(t, s.Clean(t.Context(), l))
	if s.Name() != record.Pgraft { // whose log is trimmed by itself
		if err := s.Check(t.Context(), l); err == nil || !strings.Contains(err.Error(), "13 of 13 acknowledged") {
			t.Errorf("%s: after Clean the check says %v", c, err)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
