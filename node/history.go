package node

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
)

// A member that was away for long, or joins late, gets a snapshot of the
// cluster's own state in place of a part of the log. What its database has to
// apply is in other members' log stores still, and is asked for here.

const (
	// historyBytes and historyEntries bound one answer. One entry may be over
	// the bytes.
	historyBytes   = 256 << 10
	historyEntries = 1024
	// historyTimeout is how long one member is waited for.
	historyTimeout = 2 * time.Second
	// maxHistoryAnswers bounds the answers under way at once; over it a request
	// is dropped, and the asker tries another member.
	maxHistoryAnswers = 4
)

// HistoryError says that entries are in no log that could be asked, but that
// not all members answered.
type HistoryError struct {
	After  uint64
	Silent []uint32 // node ids
}

func (e *HistoryError) Error() string {
	return fmt.Sprintf("the entries after %d are not in this node's log, and nodes %v did not answer", e.After, e.Silent)
}

// history is a node's side of it.
type history struct {
	asking sync.Mutex // one question at a time

	mu      sync.Mutex
	from    uint64 // who is asked; 0 = nobody
	after   uint64
	answer  chan *corepb.History
	answers int // of this node, under way
}

// fetch asks the other members in turn for the entries after an index, up to
// last. None and no error: all answered, and none has them.
func (n *Node) fetch(ctx context.Context, v View, after, last uint64) ([]CommittedEntry, error) {
	n.history.asking.Lock()
	defer n.history.asking.Unlock()
	var silent []uint32
	for _, m := range v.Members {
		id := m.Member.GetRaftId()
		if id == v.Core.RaftID {
			continue
		}
		h, err := n.askHistory(ctx, v.Core.RaftID, id, after)
		if err != nil {
			return nil, err
		}
		if h == nil {
			silent = append(silent, core.NodeID(id))
			continue
		}
		if es := historyOf(h, last); len(es) > 0 {
			return es, nil
		}
	}
	if silent != nil {
		return nil, &HistoryError{After: after, Silent: silent}
	}
	return nil, nil
}

// historyOf is what of an answer follows its index without gap.
func historyOf(h *corepb.History, last uint64) (es []CommittedEntry) {
	want := h.GetAfter() + 1
	for _, e := range h.GetEntries() {
		if e.GetIndex() != want || want > last {
			break
		}
		data := e.GetData()
		if data == nil && !e.GetOwn() {
			data = []byte{}
		}
		es = append(es, CommittedEntry{Index: e.GetIndex(), Term: e.GetTerm(), Data: data, Own: e.GetOwn()})
		want++
	}
	return es
}

// askHistory asks one member; nil if it does not answer in time.
func (n *Node) askHistory(ctx context.Context, self, member, after uint64) (*corepb.History, error) {
	answer := make(chan *corepb.History, 1)
	set := func(from uint64, c chan *corepb.History) {
		n.history.mu.Lock()
		defer n.history.mu.Unlock()
		n.history.from, n.history.after, n.history.answer = from, after, c
	}
	set(member, answer)
	defer set(0, nil)
	if err := n.sendHost(&corepb.Envelope{From: self, To: member,
		Body: &corepb.Envelope_HistoryRequest{HistoryRequest: &corepb.HistoryRequest{After: after}}}); err != nil {
		return nil, err
	}
	timeout := time.NewTimer(historyTimeout)
	defer timeout.Stop()
	select {
	case h := <-answer:
		return h, nil
	case <-timeout.C:
		return nil, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (n *Node) sendHost(env *corepb.Envelope) error {
	data, err := proto.Marshal(env)
	if err != nil {
		return fmt.Errorf("node: message for node %d: %w", core.NodeID(env.GetTo()), err)
	}
	n.net.Send(core.Send{To: env.GetTo(), Data: data})
	return nil
}

// hostBodies are what messages carry that are no business of the core's: between
// the hosts of two members.
var (
	envelopeFields = (*corepb.Envelope)(nil).ProtoReflect().Descriptor().Fields()
	raftBody       = envelopeFields.ByName("raft").Number()
	hostBodies     = func() (numbers []protowire.Number) {
		for _, name := range []protoreflect.Name{"history_request", "history", "apply_needs", "table_state_request", "table_state"} {
			numbers = append(numbers, envelopeFields.ByName(name).Number())
		}
		return numbers
	}()
)

// isHosts looks at a message's fields without decoding them, and no further
// than its body, which in most messages is the library's.
func isHosts(data []byte) bool {
	for len(data) > 0 {
		field, kind, n := protowire.ConsumeTag(data)
		switch {
		case n < 0, field == raftBody:
			return false
		case slices.Contains(hostBodies, field):
			return true
		}
		m := protowire.ConsumeFieldValue(field, kind, data[n:])
		if m < 0 {
			return false
		}
		data = data[n+m:]
	}
	return false
}

// receiveHosts takes a message that isHosts.
func (n *Node) receiveHosts(from uint64, data []byte) bool {
	env := new(corepb.Envelope)
	if err := proto.Unmarshal(data, env); err != nil || env.GetFrom() != from {
		return false
	}
	n.mu.Lock()
	mine := n.state == Running && env.GetTo() == n.id.RaftID &&
		slices.ContainsFunc(n.members.List, func(m *corepb.Member) bool { return m.GetRaftId() == from })
	n.mu.Unlock()
	if !mine {
		return false
	}
	switch body := env.GetBody().(type) {
	case *corepb.Envelope_ApplyNeeds:
		n.receiveNeeds(from, body.ApplyNeeds)
		return true
	case *corepb.Envelope_TableState:
		return n.receiveState(from, body.TableState)
	case *corepb.Envelope_TableStateRequest:
		return n.receiveStateRequest(env)
	}
	return n.receiveHistory(from, env)
}

func (n *Node) receiveHistory(from uint64, env *corepb.Envelope) bool {
	n.history.mu.Lock()
	defer n.history.mu.Unlock()
	if h := env.GetHistory(); h != nil {
		if n.history.from == from && n.history.after == h.GetAfter() && len(n.history.answer) == 0 {
			n.history.answer <- h
		}
		return true
	}
	if n.history.answers == maxHistoryAnswers {
		return false
	}
	n.history.answers++
	n.cfg.Go(func() {
		defer func() {
			n.history.mu.Lock()
			n.history.answers--
			n.history.mu.Unlock()
		}()
		n.answerHistory(env)
	})
	return true
}

// answerHistory does not answer what it cannot read: then another member may.
func (n *Node) answerHistory(q *corepb.Envelope) {
	after := q.GetHistoryRequest().GetAfter()
	ctx, done := context.WithTimeout(context.Background(), historyTimeout)
	defer done()
	v, err := n.View(ctx)
	if err != nil {
		return
	}
	c, err := committedHere(v, after, historyEntries, historyBytes)
	if err != nil {
		n.cfg.Logger.Warn(fmt.Sprintf("node %d asked for the entries after %d: %v", core.NodeID(q.GetFrom()), after, err))
		return
	}
	h := &corepb.History{After: after}
	for _, e := range c.Entries {
		h.Entries = append(h.Entries, &corepb.HistoryEntry{Index: e.Index, Term: e.Term, Own: e.Own, Data: e.Data})
	}
	if err := n.sendHost(&corepb.Envelope{From: q.GetTo(), To: q.GetFrom(), Body: &corepb.Envelope_History{History: h}}); err != nil {
		n.cfg.Logger.Warn(err.Error())
	}
}
