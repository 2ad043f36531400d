package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/pgraft/pgraft/tools/internal/netns"
	"github.com/pgraft/pgraft/tools/internal/pgcluster"
)

// cut adds to what is cut at a node, by the fault's name.
func (w *world) cut(node int, name string, m ...netns.Match) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cuts[node] == nil {
		w.cuts[node] = map[string][]netns.Match{}
	}
	if w.cuts[node][name] = m; len(m) == 0 {
		delete(w.cuts[node], name)
	}
	var all []netns.Match
	for _, m := range w.cuts[node] {
		all = append(all, m...)
	}
	return w.net.Cut(node, all...)
}

// heal ends all cuts of a node.
func (w *world) heal(node int) error {
	w.mu.Lock()
	delete(w.cuts, node)
	w.mu.Unlock()
	return w.net.Heal(node)
}

func healCut(w *world, _ context.Context, at *member) error { return w.heal(at.NodeID) }

func cutAll(w *world, _ context.Context, at *member, _ time.Duration) error {
	return w.cut(at.NodeID, "all", netns.Match{})
}

func cutIn(w *world, _ context.Context, at *member, _ time.Duration) error {
	return w.cut(at.NodeID, "in", netns.Match{Way: netns.In})
}

func cutOut(w *world, _ context.Context, at *member, _ time.Duration) error {
	return w.cut(at.NodeID, "out", netns.Match{Way: netns.Out})
}

// cutPair cuts one link, that to the next member.
func cutPair(w *world, _ context.Context, at *member, _ time.Duration) error {
	i := slices.IndexFunc(w.cluster.Servers, func(s *pgcluster.Server) bool { return s.NodeID == at.NodeID })
	other := w.cluster.Servers[(i+1)%len(w.cluster.Servers)]
	return w.cut(at.NodeID, "pair", netns.Match{Addresses: []string{other.Address()}})
}

// cutRaft leaves clients and streams.
func cutRaft(w *world, _ context.Context, at *member, _ time.Duration) error {
	var m netns.Match
	for _, s := range w.cluster.Servers {
		m.Ports = append(m.Ports, s.RaftPort)
	}
	return w.cut(at.NodeID, "raft", m)
}

// cutStreams leaves clients, who are elsewhere, and Raft.
func cutStreams(w *world, _ context.Context, at *member, _ time.Duration) error {
	var m netns.Match
	for _, s := range w.members {
		m.Ports, m.Addresses = append(m.Ports, s.Port), append(m.Addresses, s.Address())
	}
	return w.cut(at.NodeID, "streams", m)
}

// cutAndKill is a machine without power: nobody is told by a connection that is reset.
func cutAndKill(w *world, ctx context.Context, at *member, lasts time.Duration) error {
	if err := cutAll(w, ctx, at, lasts); err != nil {
		return err
	}
	return killServer(w, ctx, at, lasts)
}

// losePackets loses between 5 and 35 of a hundred, by how long it is to last.
func losePackets(w *world, _ context.Context, at *member, lasts time.Duration) error {
	percent := 5 + int(lasts.Milliseconds()/10)%31
	w.say("%d %% of the packets at node %d", percent, at.NodeID)
	return w.cut(at.NodeID, "loss", netns.Match{Percent: percent})
}

// resetAndCut is an operator's mistake while the primary is cut off from its standbys alone.
func resetAndCut(w *world, ctx context.Context, at *member, lasts time.Duration) error {
	if err := cutStreams(w, ctx, at, lasts); err != nil {
		return err
	}
	return resetNames(w, ctx, at, lasts)
}

func resetNames(w *world, ctx context.Context, at *member, _ time.Duration) error {
	for _, sql := range []string{"ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()"} {
		if _, err := w.ask(ctx, at, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}
