package replay

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/trace"
)

// Cut writes the part of a node's trace from the input first to the input last,
// both included: a trace of its own, which begins with a checkpoint.
func (n *Node) Cut(w io.Writer, first, last int) error {
	if first < 1 || last < first || last > n.Inputs {
		return fmt.Errorf("replay: node %s has inputs 1 to %d, not %d to %d", n.Name, n.Inputs, first, last)
	}
	c := n.Cursor()
	if err := c.Seek(first - 1); err != nil {
		return err
	}
	var b []byte
	if now := c.Core(); now != nil {
		data, err := now.Checkpoint()
		if err != nil {
			return fmt.Errorf("replay: %w", err)
		}
		e := c.Event()
		h := n.Files[n.refs[c.at-1].file].Header
		h.Time, h.Format = e.Time.UnixNano(), trace.Format
		b = trace.Append([]byte(trace.Magic), &h)
		b = trace.AppendPacked(b, &trace.Checkpoint{Seq: c.player.Seq(), Sum: c.player.Sum(), Time: h.Time, Config: c.Config(), Data: data})
	}
	for c.N() < last {
		if !c.Next() {
			break
		}
		f := c.Event().Frame
		if h, ok := f.(*trace.Header); ok {
			now := *h
			now.Format = trace.Format
			f, b = &now, append(b, trace.Magic...)
		}
		b = trace.AppendPacked(b, f)
		if c.Event().Err != nil {
			return c.Event().Err
		}
		if len(b) > 1<<20 {
			if _, err := w.Write(b); err != nil {
				return fmt.Errorf("replay: %w", err)
			}
			b = b[:0]
		}
	}
	if _, err := w.Write(b); err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	return nil
}

// WriteTo writes all files of all nodes, one after another: one file to hand
// around, which Open takes apart again. Damaged ends are left out.
func (inc *Incident) WriteTo(w io.Writer) (total int64, err error) {
	for _, n := range inc.Nodes {
		for _, f := range n.Files {
			whole := f.data
			if f.Damage != nil {
				whole = whole[:f.Damage.Offset]
			}
			k, err := w.Write(whole)
			total += int64(k)
			if err != nil {
				return total, fmt.Errorf("replay: %w", err)
			}
		}
	}
	return total, nil
}

// JSONEvent is an Event for other programs.
type JSONEvent struct {
	Node    string       `json:"node"`
	N       int          `json:"n"`
	Seq     uint64       `json:"seq"`
	Time    string       `json:"time"`
	Kind    string       `json:"kind"`
	What    string       `json:"what"`
	Input   core.Input   `json:"input,omitempty"`
	Output  *core.Output `json:"output,omitempty"`
	Outputs []string     `json:"outputs,omitempty"`
	Server  string       `json:"server,omitempty"` // what it is to failover
	Status  core.Status  `json:"status"`
	Role    string       `json:"role"`
	Panic   string       `json:"panic,omitempty"`
	Error   string       `json:"error,omitempty"`
}

// JSON is e for other programs.
func (e *Event) JSON() JSONEvent {
	j := JSONEvent{Node: e.Node.Name, N: e.N, Seq: e.Seq, Time: e.Time.UTC().Format("2006-01-02T15:04:05.000000000Z"),
		Kind: fmt.Sprintf("%T", e.Frame)[len("*trace."):], What: e.Line(), Status: e.Status, Role: e.Status.Role.String()}
	if e.Step != nil {
		j.Input, j.Output, j.Outputs, j.Panic = e.Step.Input, &e.Step.Output, e.Outputs(), e.Step.Panic
	}
	if e.Failover != nil {
		j.Server = e.Failover.ServerState(e.Status).String()
	}
	if e.Err != nil {
		j.Error = e.Err.Error()
	}
	return j
}

// WriteJSON writes all events in causal order, one on a line.
func (inc *Incident) WriteJSON(w io.Writer) error {
	events, err := inc.Merged()
	if err != nil {
		return err
	}
	enc := json.NewEncoder(w)
	var ended error
	for e := range events {
		if err := enc.Encode(e.JSON()); err != nil {
			return fmt.Errorf("replay: %w", err)
		}
		if e.Err != nil {
			ended = errors.Join(ended, fmt.Errorf("node %s: %w", e.Node.Name, e.Err))
		}
	}
	return ended
}
