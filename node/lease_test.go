package node_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/pgraft/pgraft/node"
)

// claimed is a time for which a member said to lead.
type claimed struct{ from, until int64 }

// claimedTimes are the times of all claims: each holds until its expiry, or
// until it was replaced by another.
func (j *journal) claimedTimes() (times []claimed) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i, c := range j.claims {
		until := c.expiry
		if i+1 < len(j.claims) {
			until = min(until, j.claims[i+1].at)
		}
		if until > c.at {
			times = append(times, claimed{c.at, until})
		}
	}
	return times
}

// wantOneLeaderAtATime compares all that the members ever published. It returns
// how many of them claimed to lead at some time.
func (c cluster) wantOneLeaderAtATime(t *testing.T) (leaders int) {
	t.Helper()
	for i, a := range c {
		times := a.out.claimedTimes()
		if len(times) > 0 {
			leaders++
		}
		for _, b := range c[i+1:] {
			for _, y := range b.out.claimedTimes() {
				for _, x := range times {
					if x.from < y.until && y.from < x.until {
						t.Errorf("node %d claimed to lead for %v, node %d from %v after the start of that on, for %v",
							a.cfg.NodeID, time.Duration(x.until-x.from), b.cfg.NodeID,
							time.Duration(y.from-x.from), time.Duration(y.until-y.from))
					}
				}
			}
		}
	}
	return leaders
}

// Leaders come and go, by closing and by dying with their last claim still
// published: at no instant do two nodes say that they lead.
func TestOneLeaseAtATime(t *testing.T) {
	c := newCluster(t, 3, nil)
	changed := map[uint32]bool{}
	for round := range 6 {
		old := c.leader()
		killed := round%2 == 0
		if killed {
			old.out.freeze(true)
			if err := old.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		old.stop()
		next := c.leader()
		changed[next.cfg.NodeID] = true
		if next == old {
			t.Fatalf("round %d: node %d was stopped and leads", round, old.cfg.NodeID)
		}
		eventually(t, "the lease to be renewed", func() error {
			if s := next.out.status(); s.LeaderNode != next.cfg.NodeID || s.LeaderPort != next.cfg.Port || s.LeaderHost != next.cfg.Address {
				return fmt.Errorf("its status names node %d at %s:%d as leader", s.LeaderNode, s.LeaderHost, s.LeaderPort)
			}
			return nil
		})
		old.out.freeze(false)
		old.open()
	}
	c.leader()
	if n := c.wantOneLeaderAtATime(t); n < 2 || len(changed) < 2 {
		t.Errorf("%d nodes claimed to lead and %d followed a leader: the rounds showed nothing", n, len(changed))
	}
}

// A leader that loses its quorum loses its claim within an election timeout,
// and a follower never had one.
func TestLeaseEndsWithoutQuorum(t *testing.T) {
	c := newCluster(t, 3, nil)
	leader := c.leader()
	for _, m := range c.followers() {
		m.stop()
	}
	limit := bootNanos() + int64(electionTimeout)
	eventually(t, "the leader to claim nothing", func() error {
		if s := leader.out.status(); s.LeaseExpiry != 0 || s.State != node.Running {
			return fmt.Errorf("state %d, lease for %v more", s.State, time.Duration(s.LeaseExpiry-bootNanos()))
		}
		return nil
	})
	for _, x := range leader.out.claimedTimes() {
		if x.until > limit {
			t.Errorf("a claim lasted %v longer than an election timeout after the last follower went", time.Duration(x.until-limit))
		}
	}
	if v := leader.view(); v.LeaseExpiry != 0 {
		t.Errorf("the view has a lease until %d", v.LeaseExpiry)
	}
}
