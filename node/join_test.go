package node_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
	"github.com/pgraft/pgraft/node"
)

// without are the members but x.
func (c cluster) without(x *member) (rest cluster) {
	for _, m := range c {
		if m != x {
			rest = append(rest, m)
		}
	}
	return rest
}

// replace puts m in the place of old, on whichever of c leads.
func (c cluster) replace(old, m *member) {
	c.asLeader(fmt.Sprintf("node %d in the place of node %d", m.cfg.NodeID, old.cfg.NodeID), func(leader *member) error {
		replaced, err := leader.ReplaceNode(soon(leader.t), old.cfg.NodeID, m.cfg.NodeID, m.cfg.Address, m.cfg.Port)
		if err == nil && !replaced {
			// Whoever leads carries it on; asked again, it is the same replacement.
			err = &node.RequestError{Code: core.Unknown, Text: "it is still catching up"}
		}
		return err
	})
}

// wantVoters waits until all open members know these voters, and no other member.
func (c cluster) wantVoters(want ...*member) {
	t := c[0].t
	t.Helper()
	for _, m := range c.up() {
		eventually(t, fmt.Sprintf("node %d to know the new members", m.cfg.NodeID), func() error {
			members := m.view().Members
			for _, w := range want {
				found := false
				for _, s := range members {
					found = found || core.NodeID(s.Member.GetRaftId()) == w.cfg.NodeID && s.Member.GetRole() == corepb.Role_VOTER
				}
				if !found {
					return fmt.Errorf("node %d does not vote: %v", w.cfg.NodeID, members)
				}
			}
			if len(members) != len(want) {
				return fmt.Errorf("%d members, not %d: %v", len(members), len(want), members)
			}
			return nil
		})
	}
}

// A new node takes the place of a voter that is dead, then of the leader. Asked again
// on whoever leads then, it is as asked.
func TestReplaceNode(t *testing.T) {
	c, l := newCluster(t, 3, nil), newLedger()
	c.proposeAll(1, 5, l)
	dead := c.followers()[0]
	dead.stop()
	rest := c.without(dead)
	fourth := newMember(t, 4).open().init(false)
	rest.replace(dead, fourth)
	rest = append(rest, fourth)
	rest.wantVoters(rest...)
	rest.replace(dead, fourth)

	// Away, the new node is a member as it was: no look at it is needed to say so.
	fourth.stop()
	rest.without(fourth).replace(dead, fourth)
	fourth.open()

	fifth := newMember(t, 5).open().init(false)
	leader := rest.leader()
	rest.replace(leader, fifth)
	leader.wantRemoved(t)
	rest = append(rest.without(leader), fifth)
	rest.wantVoters(rest...)
	rest.replace(leader, fifth)
	rest.proposeAll(2, 5, l)
	rest.wantLogs(l.entries)
	l.check(t, 3*5+3*5)
	c.wantOneLeaderAtATime(t)

	dead.open()
	dead.wantRemoved(t)
}

func TestReplaceNodeRefusals(t *testing.T) {
	c := newCluster(t, 3, nil)
	leader, follower := c.leader(), c.followers()[0]
	other := c.without(leader).without(follower)[0]
	before := leader.memberIDs()
	fresh := newMember(t, 5).open().init(false)
	ask := func(m *member, old, id uint32, port uint32) error {
		_, err := m.ReplaceNode(soon(t), old, id, "127.0.0.1", port)
		return err
	}
	wantCode(t, "on a follower", ask(follower, other.cfg.NodeID, 5, fresh.cfg.Port), core.NotLeader)
	wantCode(t, "an unknown old node", ask(leader, 9, 5, fresh.cfg.Port), core.NoSuchNode)
	wantCode(t, "an unknown old node, nobody listens", ask(leader, 9, 5, freePort(t)), core.NoSuchNode)
	wantCode(t, "a member as the new node", ask(leader, follower.cfg.NodeID, other.cfg.NodeID, other.cfg.Port), core.NotPossible)
	wantCode(t, "a member under another address", ask(leader, follower.cfg.NodeID, other.cfg.NodeID, fresh.cfg.Port), core.Conflict)
	wantCode(t, "itself", ask(leader, follower.cfg.NodeID, follower.cfg.NodeID, follower.cfg.Port), core.Conflict)
	var p *node.ProbeError
	if err := ask(leader, follower.cfg.NodeID, 5, freePort(t)); !errors.As(err, &p) || !p.Unreachable {
		t.Errorf("nobody listens: %v; want a ProbeError, unreachable", err)
	}
	if err := ask(leader, follower.cfg.NodeID, 6, fresh.cfg.Port); !errors.As(err, &p) || p.Unreachable {
		t.Errorf("another node id: %v; want a ProbeError", err)
	}
	if got := leader.memberIDs(); len(got) != len(before) {
		t.Errorf("members are %x now, were %x", got, before)
	}
	c.replace(follower, fresh) // none of this keeps it out
	alone := cluster{newMember(t, 1).open().init(true)}
	second := newMember(t, 2).open().init(false)
	wantCode(t, "the last voter", ask(alone.leader(), 1, 2, second.cfg.Port), core.LastVoter)
}
