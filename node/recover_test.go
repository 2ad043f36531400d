package node_test

import (
	"errors"
	"net"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/node"
)

// link stands where the others dial a node. While it is cut nothing goes through, and
// nobody is told: connections stay, as those of a cable that was pulled.
type link struct {
	mu    sync.Mutex
	open  chan struct{} // closed while it is not cut
	conns []net.Conn
}

func newLink(t *testing.T, from, to string) *link {
	t.Helper()
	ln := must[net.Listener](t, "link")(net.Listen("tcp", from))
	l := &link{open: make(chan struct{})}
	close(l.open)
	var carrying sync.WaitGroup
	t.Cleanup(func() {
		_ = ln.Close()
		l.mend()
		l.mu.Lock()
		for _, c := range l.conns {
			_ = c.Close()
		}
		l.conns = nil
		l.mu.Unlock()
		carrying.Wait()
	})
	carrying.Go(func() {
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				_ = in.Close()
				continue
			}
			l.mu.Lock()
			l.conns = append(l.conns, in, out)
			l.mu.Unlock()
			carrying.Go(func() { l.carry(in, out) })
			carrying.Go(func() { l.carry(out, in) })
		}
	})
	return l
}

func (l *link) carry(to, from net.Conn) {
	defer to.Close()
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		l.mu.Lock()
		open := l.open
		l.mu.Unlock()
		<-open
		if _, failed := to.Write(b[:n]); err != nil || failed != nil {
			return
		}
	}
}

func (l *link) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = make(chan struct{})
}

func (l *link) mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.open:
	default:
		close(l.open)
	}
}

// A node that was just cut off still has its connections, and knows a leader. It
// counts who answers, not who is connected; once the others are there again it does
// not recover.
func TestRecoverWhenCutOff(t *testing.T) {
	links := map[uint32]*link{}
	c := newCluster(t, 3, func(m *member) {
		port := strconv.Itoa(int(m.cfg.Port))
		m.cfg.Address, m.cfg.ListenAddress = "127.0.0.2", "127.0.0.1"
		links[m.cfg.NodeID] = newLink(t, "127.0.0.2:"+port, "127.0.0.1:"+port)
	})
	index := c.leader().propose(request(1, 1), "before")
	alone := c.followers()[0]
	alone.applied(index)
	err := alone.RecoverFromLostQuorum(soon(t))
	if !errors.Is(err, node.ErrQuorumThere) || !strings.Contains(err.Error(), "leads") {
		t.Errorf("with a leader: %v", err)
	}
	for _, l := range links {
		l.cut()
	}
	// In the first moment nobody can tell; a heartbeat or two later it is known.
	began := time.Now()
	eventually(t, "the recovery", func() error {
		err := alone.RecoverFromLostQuorum(soon(t))
		if err != nil && !strings.Contains(err.Error(), "leads") {
			t.Fatalf("cut off it says: %v", err)
		}
		return err
	})
	if took := time.Since(began); took > 10*electionTimeout {
		t.Errorf("it took %v to find out that nobody answers", took)
	}
	must[struct{}](t, "leadership")(struct{}{}, alone.AwaitLeader(soon(t)))
}

// Without a leader, but with a majority that answers, it does not recover.
func TestRecoverWithVotersThere(t *testing.T) {
	c := newCluster(t, 3, nil)
	leader, followers := c.leader(), c.followers()
	leader.stop()
	for _, m := range followers {
		// whether the other leads by now is a race; either is said
		if err := m.RecoverFromLostQuorum(soon(t)); !errors.Is(err, node.ErrQuorumThere) {
			t.Errorf("node %d: %v", m.cfg.NodeID, err)
		}
	}
}

// Who applies the log hears which clusters the node recovered, and at which entry each,
// also after a restart. In the marker of an older build, which did not keep that, it is
// not known.
func TestFormerClusters(t *testing.T) {
	c := newCluster(t, 2, nil)
	index := c.leader().propose(request(1, 1), "before")
	alone := c.followers()[0]
	alone.applied(index)
	was := must[node.Committed](t, "committed")(alone.Committed(soon(t), 0, 100, 1<<20)).ClusterUUID
	c.leader().stop()
	last := alone.view().Core.Last
	eventually(t, "the recovery", func() error { return alone.RecoverFromLostQuorum(soon(t)) })
	former := func(want core.FormerCluster) {
		t.Helper()
		must[struct{}](t, "leadership")(struct{}{}, alone.AwaitLeader(soon(t)))
		got := must[node.Committed](t, "committed")(alone.Committed(soon(t), 0, 100, 1<<20))
		if got.ClusterUUID == was || !slices.Equal(got.Former, []core.FormerCluster{want}) {
			t.Errorf("cluster %x was %+v; want that it was %+v", got.ClusterUUID, got.Former, want)
		}
	}
	former(core.FormerCluster{ClusterUUID: was, Recovered: last + 1})
	alone.stop()
	alone.open()
	former(core.FormerCluster{ClusterUUID: was, Recovered: last + 1})
	alone.stop()
	marker := must[[]byte](t, "marker")(os.ReadFile(alone.cfg.MarkerPath))
	older := regexp.MustCompile(`,\s*"recovered_at_index": \[[^]]*\]`).ReplaceAll(marker, nil)
	if len(older) == len(marker) {
		t.Fatalf("the marker has no recovered_at_index: %s", marker)
	}
	must[struct{}](t, "marker")(struct{}{}, os.WriteFile(alone.cfg.MarkerPath, older, 0o600))
	alone.open()
	former(core.FormerCluster{ClusterUUID: was})
}
