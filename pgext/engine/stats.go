package main

// #include "engine.h"
import "C"

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/node"
	"github.com/pgraft/pgraft/node/transport"
)

// timestamp and interval are the text forms that PostgreSQL reads whatever
// DateStyle and IntervalStyle are; NULL for what has not happened.
func timestamp(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format("2006-01-02T15:04:05.000000Z")
}

func interval(d time.Duration) any { return fmt.Sprintf("%.6f seconds", d.Seconds()) }

// statNode is the row of pgraft_stat_node: what Raft says is NULL until the node
// runs, what was counted is always there.
func (e *engine) statNode(ctx context.Context) result {
	out := make([]any, 0, 32)
	var version any
	out = append(out, e.config().node.NodeID, e.workerState())
	n := e.openNode()
	v, err := view(ctx, n)
	if err != nil {
		out = append(out, nil, nil, nil, nil, nil, nil, nil, nil, nil)
	} else {
		b := v.LogBounds()
		out = append(out, v.Core.Role, v.Core.Term, core.NodeID(v.Core.Lead), v.Core.Commit, v.Core.Applied,
			b.First, max(b.Last, v.Core.Last), b.Bytes, leaseLeft(v))
		version = orNull(v.Core.Version)
	}
	var s node.Stats
	if n != nil {
		s = n.Stats()
	}
	var lastSync any
	if s.Syncs > 0 {
		lastSync = interval(s.LastSync.Took)
	}
	return row(append(out, s.Proposals, s.ProposalsFailed, interval(s.Proposing), s.Entries, s.EntryBytes,
		s.Syncs, interval(s.Syncing), interval(s.MaxSync), timestamp(s.LastSync.At), lastSync,
		s.Elections, s.ElectionsWon, s.LeaderChanges,
		s.SnapshotsTaken, s.SnapshotsSent, s.SnapshotsReceived, timestamp(s.Since), e.alarm(ctx, n), version, uint32(core.NewestVersion))...)
}

// alarm is NULL if there is none.
func (e *engine) alarm(ctx context.Context, n *node.Node) any {
	var refused *node.OpenError
	switch {
	case n != nil:
		return alarmText(n.Alarm(ctx))
	case errors.As(e.openFailure(), &refused):
		return alarmText(refused.Alarm)
	}
	return nil
}

func alarmText(a core.Alarm) any {
	if a == core.NoAlarm {
		return nil
	}
	return a.String()
}

// orNull is NULL for a version that is not known.
func orNull(version uint32) any {
	if version == 0 {
		return nil
	}
	return version
}

// leaseLeft is NULL on a node that holds no lease.
func leaseLeft(v node.View) any {
	if left := v.LeaseLeft(); left > 0 {
		return interval(left)
	}
	return nil
}

// tlsColumns are NULL without TLS. A subject need not be UTF-8.
func tlsColumns(s transport.TLSStat) []any {
	if s.Version == "" {
		return []any{nil, nil, nil, nil}
	}
	return []any{s.Version, s.Cipher, strings.ToValidUTF8(s.Subject, "?"), timestamp(s.Expiry)}
}

// statPeers has a row for each other member; what only a connection knows is
// NULL for one that there never was a try to reach.
func statPeers(v node.View, peers []transport.PeerStat) result {
	known := map[uint64]transport.PeerStat{}
	for _, p := range peers {
		known[p.RaftID] = p
	}
	var r result
	for _, m := range v.Members {
		id := m.Member.GetRaftId()
		if id == v.Core.RaftID {
			continue
		}
		out := []any{core.NodeID(id), fmt.Sprintf("%s:%d", m.Member.GetAddress(), m.Member.GetPort()), v.StateOf(m), m.Match, nil}
		if m.Heard {
			out[4] = interval(time.Duration(m.SilentMillis) * time.Millisecond)
		}
		p, ok := known[id]
		if !ok {
			r.rows = append(r.rows, append(out, false, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, alarmText(m.Alarm), orNull(m.Newest), nil))
			continue
		}
		var lastError any
		if p.LastError != "" {
			lastError = p.LastError
		}
		out = append(out, p.Connected, timestamp(p.Since), p.MessagesOut, p.MessagesIn, p.BytesOut, p.BytesIn,
			p.DroppedOut, p.DroppedIn, p.QueueMessages, p.QueueBytes, lastError)
		r.rows = append(r.rows, append(append(out, tlsColumns(p.TLS)...), alarmText(m.Alarm), orNull(m.Newest), orNull(p.Version)))
	}
	return r
}
