//go:build integration

package failover

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pgraft/pgraft/tools/internal/commits"
	"github.com/pgraft/pgraft/tools/internal/netns"
	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

// newNetWorld makes a cluster each of whose servers has a network of its own, that can be cut.
func newNetWorld(t *testing.T, settings map[string]string) *world {
	t.Helper()
	t.Parallel()
	network, err := netns.New()
	must(t, err)
	t.Cleanup(func() { must(t, network.Close()) })
	all := map[string]string{"wal_retrieve_retry_interval": "100ms", "wal_receiver_timeout": "5s", "wal_sender_timeout": "5s",
		"pgraft.fence_wait": "500ms"}
	maps.Copy(all, settings)
	return newWorldIn(t, network, all)
}

// place is where a node of the network has its server.
func place(network *netns.Network, node int) (pgcluster.Place, error) {
	return pgcluster.Place{Address: network.Address(node), Enter: func(start func() error) error { return network.Enter(node, start) }},
		network.Add(node)
}

// cut drops at a server what matches, or everything.
func (w *world) cut(s *pgcluster.Server, what ...netns.Match) {
	w.t.Helper()
	if len(what) == 0 {
		what = []netns.Match{{}}
	}
	must(w.t, w.net.Cut(s.NodeID, what...))
}

func (w *world) heal(s *pgcluster.Server) {
	w.t.Helper()
	must(w.t, w.net.Heal(s.NodeID))
}

// raft is what members say to each other.
func (w *world) raft() (m netns.Match) {
	for _, s := range w.cluster.Servers {
		m.Ports = append(m.Ports, s.RaftPort)
	}
	return m
}

// streams are the connections of PostgreSQL's between the servers: clients are elsewhere.
func (w *world) streams() (m netns.Match) {
	for _, s := range w.cluster.Servers {
		m.Ports, m.Addresses = append(m.Ports, s.Port), append(m.Addresses, s.Address())
	}
	return m
}

// socket is what the ledger calls a server whose client is beside it.
func socket(s *pgcluster.Server) string {
	return filepath.Join(filepath.Dir(s.DataDir), fmt.Sprintf(".s.PGSQL.%d", s.Port))
}

// by is what a server has acknowledged.
func (w *world) by(s *pgcluster.Server) commits.By { return w.ledger.By(s.Host(), socket(s)) }

// reignEnded checks that the former primary acknowledged nothing that was asked for after the next
// one had acknowledged something.
func (w *world) reignEnded(former, next *pgcluster.Server) {
	w.t.Helper()
	was, is := w.by(former), w.by(next)
	at := func(t time.Time) time.Duration { return t.Sub(w.began).Round(time.Millisecond) }
	w.t.Logf("node %d acknowledged %d commits, the last asked for at %v, answered at %v; node %d %d, the first at %v",
		former.NodeID, was.Commits, at(was.Asked), at(was.Last), next.NodeID, is.Commits, at(is.First))
	if is.Commits == 0 || !was.Asked.Before(is.First) {
		w.t.Errorf("node %d acknowledged a commit that was asked for at %v, and node %d one at %v",
			former.NodeID, at(was.Asked), next.NodeID, at(is.First))
	}
}

// others are the servers besides one.
func (w *world) others(s *pgcluster.Server) (l []*pgcluster.Server) {
	for _, o := range w.cluster.Servers {
		if o != s {
			l = append(l, o)
		}
	}
	return l
}

// third is the server besides two.
func (w *world) third(a, b *pgcluster.Server) *pgcluster.Server {
	for _, s := range w.others(a) {
		if s != b {
			return s
		}
	}
	return nil
}

// epochs is how many there were.
const epochs = "SELECT count(*) FROM pgraft_failover_history"

// fenced waits until a server shows its sessions that it takes no writes.
func (w *world) fenced(s *pgcluster.Server) {
	w.t.Helper()
	w.until(s, "SHOW transaction_read_only", "on")
}

// holds checks a condition again and again, for as long as what must not happen would take.
func (w *world) holds(what string, forSoLong time.Duration, cond func() error) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, forSoLong)
	defer cancel()
	err := wait.Until(ctx, what, func(context.Context) error {
		if err := cond(); err != nil {
			return errors.Join(err, wait.ErrHopeless)
		}
		return errors.New("it still holds")
	})
	if errors.Is(err, wait.ErrHopeless) {
		w.t.Fatal(err)
	}
}

// process is the pid of a server's process of this kind, by its title.
func (w *world) process(s *pgcluster.Server, kind string) (pid int) {
	w.t.Helper()
	must(w.t, wait.Until(w.ctx, fmt.Sprintf("the %s of node %d", kind, s.NodeID), func(context.Context) error {
		pids, err := s.Processes()
		if err != nil {
			return err
		}
		for _, pid = range pids {
			if title, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err == nil && strings.Contains(string(title), kind) {
				return nil
			}
		}
		return errors.New("there is none")
	}))
	return pid
}
