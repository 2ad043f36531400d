package main

// #include "engine.h"
import "C"

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/failover"
	"github.com/pgraft/pgraft/node"
)

// What operators ask of failover.

// isFailover says that a request is about failover.
func isFailover(q request) bool {
	return q.op >= C.PGRAFT_OP_ENABLE_FAILOVER && q.op <= C.PGRAFT_OP_CLEAR_QUARANTINE
}

// askFailover carries one out. What waits for the cluster answers by itself when time is up.
func (e *engine) askFailover(ctx context.Context, n *node.Node, q request) (result, error) {
	ctx, cancel := context.WithTimeout(ctx, q.timeout)
	defer cancel()
	switch q.op {
	case C.PGRAFT_OP_ENABLE_FAILOVER:
		return result{}, e.lacks(ctx, n, n.EnableFailover(ctx, q.args.system))
	case C.PGRAFT_OP_DISABLE_FAILOVER:
		return result{}, n.DisableFailover(ctx)
	case C.PGRAFT_OP_FAILOVER_SETTINGS:
		return failoverSettings(ctx, n, string(q.data))
	case C.PGRAFT_OP_SWITCHOVER:
		return result{}, n.Switchover(ctx, q.args.nodeID, q.args.wait)
	case C.PGRAFT_OP_FAILOVER:
		return e.failOver(ctx, n, q)
	case C.PGRAFT_OP_CLEAR_QUARANTINE:
		return result{}, n.ClearQuarantine(ctx, q.args.nodeID)
	}
	f, err := n.Failover(ctx)
	if err != nil {
		return result{}, err
	}
	switch q.op {
	case C.PGRAFT_OP_STAT_FAILOVER:
		return statFailover(&f), nil
	case C.PGRAFT_OP_FAILOVER_HISTORY:
		return failoverHistory(&f.State), nil
	}
	return row(core.NodeID(f.Primary())), nil
}

// transferLeadership is a switchover where failover is on: the primary leads.
func transferLeadership(ctx context.Context, n *node.Node, q request) error {
	f, err := n.Failover(ctx)
	if err != nil {
		return err
	}
	if f.State.Mode == failover.ModeOff {
		return n.TransferLeader(ctx, q.args.nodeID)
	}
	ctx, cancel := context.WithTimeout(ctx, q.timeout)
	defer cancel()
	return n.Switchover(ctx, q.args.nodeID, q.args.wait)
}

// failOver gives something up only where the caller repeats the cluster_id.
func (e *engine) failOver(ctx context.Context, n *node.Node, q request) (result, error) {
	if len(q.data) == 0 {
		return result{}, n.FailOverTo(ctx, q.args.nodeID)
	}
	if id := e.config().node.ClusterID; string(q.data) != id {
		return result{}, &sqlError{state: "22023", message: "allow_data_loss does not repeat the cluster_id",
			detail: fmt.Sprintf("It is %q; \"pgraft.cluster_id\" is %q.", q.data, id),
			hint:   "Use it only when a member that has what would be lost is gone for good. Without it nothing is lost."}
	}
	loss, err := n.FailOverWithLoss(ctx, q.args.nodeID)
	if err != nil {
		return result{}, err
	}
	if lost, ok := lossText(&loss).(string); ok {
		return result{notice: "the failover gave up " + lost}, nil
	}
	return result{}, nil
}

// lossText is what was given up, NULL if nothing was.
func lossText(l *failover.Loss) any {
	var parts []string
	for _, r := range l.Greater {
		parts = append(parts, fmt.Sprintf("what node %d has up to %s of epoch %d", core.NodeID(r.Member), failover.LSNText(r.Position.LSN), r.Position.Epoch))
	}
	if len(l.Missing) > 0 {
		parts = append(parts, "what only "+failover.MembersText(l.Missing)+" may have")
	}
	if len(parts) == 0 {
		return nil
	}
	return strings.Join(parts, "; ")
}

var modeNames = [...]string{failover.ModeOff: "off", failover.ModeFounding: "founding", failover.ModeOn: "on", failover.ModeManual: "manual"}

var durabilityNames = [...]string{failover.Required: "required", failover.Preferred: "preferred", failover.Async: "async"}

// failoverSettings changes what is named, in lines of name=value, and answers with what is in
// force.
func failoverSettings(ctx context.Context, n *node.Node, changes string) (result, error) {
	c, err := failoverChange(changes)
	if err != nil {
		return result{}, err
	}
	mode, s, err := n.FailoverSettings(ctx, c)
	if err != nil {
		return result{}, err
	}
	return row(modeNames[mode], durabilityNames[s.Durability], s.SyncCount, interval(time.Duration(s.DelayMillis)*time.Millisecond),
		interval(time.Duration(s.SyncTimeoutMillis)*time.Millisecond), s.MaximumLag), nil
}

// failoverChange reads what the shim has written.
func failoverChange(text string) (c node.FailoverChange, err error) {
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		switch name {
		case "mode":
			i := slices.Index(modeNames[:], value)
			if m := failover.Mode(max(i, 0)); m == failover.ModeOn || m == failover.ModeManual {
				c.Mode = &m
				continue
			}
			return c, badSetting(name, value, "It is on or manual.")
		case "durability":
			i := slices.Index(durabilityNames[:], value)
			if i < 0 {
				return c, badSetting(name, value, "It is required, preferred or async.")
			}
			c.Durability = new(failover.Durability(i))
		case "failover_delay", "sync_timeout":
			ms, err := strconv.ParseInt(value, 10, 64)
			if err != nil || ms < 1 || ms > failover.MaxSettingMillis {
				return c, badSetting(name, value+" ms", "It is between 1 millisecond and a day.")
			}
			d := time.Duration(ms) * time.Millisecond
			if name == "sync_timeout" {
				c.SyncTimeout = &d
			} else {
				c.Delay = &d
			}
		case "sync_count":
			v, err := strconv.ParseInt(value, 10, 64)
			if err != nil || v < 0 || v > failover.MaxSetMembers {
				return c, badSetting(name, value, fmt.Sprintf("It is between 0 and %d.", failover.MaxSetMembers))
			}
			c.SyncCount = new(uint32(v))
		case "maximum_lag":
			v, err := strconv.ParseInt(value, 10, 64)
			if err != nil || v < failover.MinLag || v > failover.MaxLag {
				return c, badSetting(name, value, fmt.Sprintf("It is between %d and %d bytes.", failover.MinLag, int64(failover.MaxLag)))
			}
			c.MaximumLag = new(uint64(v))
		default:
			return c, &sqlError{state: "XX000", message: fmt.Sprintf("the engine knows no setting %q of failover", name)}
		}
	}
	return c, nil
}

func badSetting(name, value, detail string) *sqlError {
	return &sqlError{state: "22023", message: fmt.Sprintf("invalid %s: %s", name, value), detail: detail}
}

// failoverHistory has a row for each epoch that was granted, the newest first.
func failoverHistory(s *failover.State) result {
	var r result
	for _, p := range slices.Backward(s.Past) {
		var opened, lost any
		if p.Opened > 0 {
			opened = p.Opened
		}
		if p.GivenUp > p.Kept {
			lost = p.GivenUp - p.Kept
		}
		r.rows = append(r.rows, []any{p.Epoch, core.NodeID(p.Primary), p.Timeline, p.From.Epoch, failover.LSNText(p.From.LSN),
			p.Granted, opened, lost, lossText(&p.Loss)})
	}
	return r
}

// failoverError says what a failure of failover is, nil if err is none.
func failoverError(err error) *sqlError {
	var void *node.VoidError
	var underWay *node.UnderWayError
	var givenUp *node.GivenUpError
	switch {
	case errors.As(err, &void):
		return &sqlError{state: voidState(void.Void), message: void.Error(), hint: void.Void.WayOut()}
	case errors.As(err, &underWay):
		s := &sqlError{state: "40003", message: underWay.Error(), hint: "Look at pgraft_stat_failover for its end."}
		if underWay.Why.Reason != failover.Nothing {
			s.detail = "It waits: " + failover.WhyText(underWay.Why) + "."
		}
		return s
	case errors.As(err, &givenUp):
		return &sqlError{state: "55000", message: givenUp.Error(),
			detail: "The member did not become the primary: it was away, or did not keep up in time.",
			hint:   "Look at pgraft_stat_failover, and at the server logs."}
	case errors.Is(err, node.ErrNoSuchNode):
		return &sqlError{state: "42704", message: strings.TrimPrefix(err.Error(), "node: "), hint: "See pgraft_get_nodes()."}
	case errors.Is(err, node.ErrNoPart):
		return &sqlError{state: "55000", message: "this server takes no part in failover",
			hint: "Set \"pgraft.failover\" to on and restart the server."}
	}
	return nil
}

func voidState(v failover.Void) string {
	switch v {
	case failover.VoidUnknown:
		return "42704"
	case failover.VoidSettings, failover.VoidMode:
		return "22023"
	}
	return "55000"
}

// lacks turns what is missing for failover to be enabled into an error that lists it.
func (e *engine) lacks(ctx context.Context, n *node.Node, err error) error {
	var l *node.LackError
	if !errors.As(err, &l) {
		return err
	}
	s := &sqlError{state: "55000", message: "failover cannot be enabled yet", hint: "Put that right and call pgraft_enable_failover() again."}
	var lines []string
	for _, x := range l.Lacks {
		switch {
		case x.Reason == failover.LackPrimary:
			return &sqlError{state: "55000", message: "this server does not take writes", hint: writerHint(ctx, n)}
		case x.Member == 0:
			lines = append(lines, "There are fewer standbys on the primary's timeline than sync_count.")
		default:
			lines = append(lines, fmt.Sprintf("Node %d %v.", core.NodeID(x.Member), x.Reason))
		}
	}
	s.detail = strings.Join(lines, "\n")
	return s
}

// writerHint names the server on which failover is enabled.
func writerHint(ctx context.Context, n *node.Node) string {
	f, err := n.Failover(ctx)
	if err != nil || f.TakesWrites() == 0 {
		return "Call pgraft_enable_failover() on the server that takes writes."
	}
	return fmt.Sprintf("Call pgraft_enable_failover() on node %d, whose server takes writes.", core.NodeID(f.TakesWrites()))
}
