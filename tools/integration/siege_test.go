//go:build integration

package integration

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pgraft/pgraft/node/certs"
	"github.com/pgraft/pgraft/tools/internal/pgcluster"
	"github.com/pgraft/pgraft/tools/internal/wait"
)

const (
	// A stranger keeps so many connections to each server open that say nothing,
	// and opens one anew so long after it was closed.
	siegeConnections = 300
	siegePause       = 50 * time.Millisecond
	// siegeLimit is how long a member or a leader may take to come meanwhile. It is
	// several election timeouts, as this machine has more to do then, and far less
	// than a siege used to last.
	siegeLimit = 10 * time.Second
	// siegeWarnings bounds what a server's log says of it.
	siegeWarnings = 60
	// noisyAddresses is more than any table of them holds.
	noisyAddresses = 1100
)

// A stranger that keeps every place for handshakes taken does not keep a member
// out that restarts, and no leader from being elected in place of one that died.
// It is on a machine of its own in one of the clusters, on the members' in the
// other.
func holdsAgainstAStranger(from string, tls bool) func(context.Context, *testing.T, *suite) {
	return func(ctx context.Context, t *testing.T, s *suite) {
		x := &suite{install: s.install, ledger: newLedger()}
		x.cluster = x.extraCluster(ctx, t, nodes, nil)
		if tls {
			ca, err := certs.New("CA under siege", 2*trialValidity)
			must(t, err)
			for _, server := range x.cluster.Servers {
				must(t, server.SetTLS(ca, trialValidity))
			}
		}
		must(t, x.cluster.Start(ctx))
		for _, server := range x.cluster.Servers {
			initialise(ctx, t, server)
		}
		for _, server := range x.cluster.Servers[1:] {
			addNode(ctx, t, connect(ctx, t, x.leader(ctx, t)), server)
		}
		x.settle(ctx, t)
		x.hearsAMemberThroughNoise(ctx, t)
		stop := besiege(ctx, t, from, x.cluster.Servers)
		offsets := map[*pgcluster.Server]int64{}
		for _, server := range x.cluster.Servers {
			offsets[server] = logSize(t, server)
			waitLog(ctx, t, server, 0, "closed a connection from "+from+": it had not said who it is, and others wanted its place")
		}
		x.restartsAMember(ctx, t)
		x.losesItsLeader(ctx, t)
		stop()
		x.settle(ctx, t)
		x.ledger.check(ctx, t, x.cluster.Servers...)
		for _, server := range x.cluster.Servers {
			warnings, err := server.LogWarnings(offsets[server])
			must(t, err)
			if len(warnings) > siegeWarnings {
				t.Errorf("node %d logged %d warnings:\n%s", server.NodeID, len(warnings), strings.Join(warnings, ""))
			}
			for _, w := range warnings {
				if strings.Contains(w, "not a pgraft node") {
					t.Errorf("node %d calls a member no pgraft node: %s", server.NodeID, w)
				}
			}
		}
	}
}

// Strangers from more addresses than a log can remember send what means nothing.
// The leader still says that a member goes away.
func (s *suite) hearsAMemberThroughNoise(ctx context.Context, t *testing.T) {
	t.Helper()
	leader := s.leader(ctx, t)
	member := s.others(leader)[0]
	offset := logSize(t, leader)
	began := time.Now()
	for i := range noisyAddresses {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 1, byte(i/250), byte(1+i%250))}}
		c, err := d.DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", leader.RaftPort))
		must(t, err)
		_, err = fmt.Fprintf(c, "noise %d", i)
		must(t, err)
		_, _ = io.Copy(io.Discard, c) // until the server closes it
		must(t, c.Close())
	}
	took := time.Since(began)
	warnings, err := leader.LogWarnings(offset)
	must(t, err)
	t.Logf("%d connections with noise in %v made %d warnings", noisyAddresses, took.Round(time.Millisecond), len(warnings))
	if len(warnings) == 0 || len(warnings) > siegeWarnings {
		t.Errorf("%d connections with noise made %d warnings", noisyAddresses, len(warnings))
	}
	must(t, member.Stop(ctx))
	waitLog(ctx, t, leader, offset, fmt.Sprintf("connection of node %d (incarnation", member.NodeID), "ended")
	waitLog(ctx, t, leader, offset, fmt.Sprintf("cannot connect to node %d (incarnation", member.NodeID), "connection refused")
	must(t, member.Start(ctx))
	s.settle(ctx, t)
}

func (s *suite) restartsAMember(ctx context.Context, t *testing.T) {
	t.Helper()
	leader := s.leader(ctx, t)
	member := s.others(leader)[0]
	must(t, member.Stop(ctx))
	s.ledger.replicate(ctx, t, connect(ctx, t, leader), "while one is away")
	began := time.Now()
	must(t, member.Start(ctx))
	ready := time.Now()
	must(t, wait.For(ctx, siegeLimit, fmt.Sprintf("node %d to be back", member.NodeID), func(ctx context.Context) error {
		rows, _, err := look(ctx, leader)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if int(r.NodeID) == int(member.NodeID) && r.State != "Follower" {
				return fmt.Errorf("node %d says that it is %s", leader.NodeID, r.State)
			}
		}
		return nil
	}))
	t.Logf("node %d is back after %v, %v of it to start its server", member.NodeID, time.Since(began).Round(time.Millisecond), ready.Sub(began).Round(time.Millisecond))
	s.ledger.replicate(ctx, t, connect(ctx, t, member), "on the one that is back")
}

func (s *suite) losesItsLeader(ctx context.Context, t *testing.T) {
	t.Helper()
	leader := s.leader(ctx, t)
	killed, err := leader.Kill9(ctx)
	must(t, err)
	next := s.leader(ctx, t, s.others(leader)...)
	took := time.Since(killed)
	t.Logf("node %d leads %v after the kill of node %d", next.NodeID, took.Round(time.Millisecond), leader.NodeID)
	if took > siegeLimit {
		t.Errorf("it took %v until another node led, more than %v", took, siegeLimit)
	}
	s.ledger.replicate(ctx, t, connect(ctx, t, next), "under the next leader")
	must(t, leader.Start(ctx))
	s.settle(ctx, t)
}

// besiege opens connections from an address to the servers' pgraft.port, and does
// not say a word. stop ends it.
func besiege(ctx context.Context, t *testing.T, from string, servers []*pgcluster.Server) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	for _, server := range servers {
		to := fmt.Sprintf("127.0.0.1:%d", server.RaftPort)
		for range siegeConnections {
			all.Go(func() {
				pause := time.NewTicker(siegePause)
				defer pause.Stop()
				for ctx.Err() == nil {
					if c, err := d.DialContext(ctx, "tcp", to); err == nil {
						end := context.AfterFunc(ctx, func() { c.Close() })
						_, _ = io.Copy(io.Discard, c) // until the server closes it
						end()
						c.Close()
					}
					select {
					case <-pause.C:
					case <-ctx.Done():
					}
				}
			})
		}
	}
	stop = func() {
		cancel()
		all.Wait()
	}
	t.Cleanup(stop)
	return stop
}
