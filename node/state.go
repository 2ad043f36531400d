package node

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
)

// The state of a database that another member's database is filled from, when
// entries that it needs are in no log any more. The member that is asked has its
// host export it, keeps it in memory while parts of it are asked for, and sends
// it part by part.

const (
	// MaxStateBytes bounds an exported state.
	MaxStateBytes = 512 << 20
	// statePartBytes is what one message carries of it.
	statePartBytes = 1 << 20
	// exportTimeout is how long a database may take to export it.
	exportTimeout = 60 * time.Second
	// statePartTimeout is how long one part is waited for.
	statePartTimeout = 5 * time.Second
	// stateKept is how long a state is kept after a part of it was asked for.
	stateKept = 30 * time.Second
)

// ErrNoState says that no member has an exported state to give.
var ErrNoState = errors.New("node: no member can export its database's state")

// states is a node's side of both.
type states struct {
	asking sync.Mutex // one question at a time

	mu     sync.Mutex
	from   uint64 // who is asked; 0 = nobody
	offset uint64 // for what
	answer chan *corepb.TableState

	exporting bool
	ticket    uint64 // of kept; counts up
	kept      []byte // nil: none
	until     *time.Timer
}

// FetchState asks the members that can be reached, in turn, for the state of
// their database, and returns what the host of the first that has one exported.
// The error is ErrNoState if none has.
func (n *Node) FetchState(ctx context.Context) (state []byte, from uint32, err error) {
	n.states.asking.Lock()
	defer n.states.asking.Unlock()
	v, err := n.View(ctx)
	if err != nil {
		return nil, 0, err
	}
	for _, m := range v.Members {
		id := m.Member.GetRaftId()
		if id == v.Core.RaftID || !v.Reachable(m) {
			continue
		}
		state, err := n.fetchStateOf(ctx, v.Core.RaftID, id)
		if err != nil || state != nil {
			return state, core.NodeID(id), err
		}
	}
	return nil, 0, ErrNoState
}

// fetchStateOf is nil if the member has none, or falls silent.
func (n *Node) fetchStateOf(ctx context.Context, self, member uint64) ([]byte, error) {
	var state []byte
	q, timeout := &corepb.TableStateRequest{}, exportTimeout
	for {
		part, err := n.askState(ctx, self, member, q, timeout)
		if err != nil || part == nil || part.GetTotal() == 0 {
			return nil, err
		}
		total := part.GetTotal()
		if q.Ticket == 0 {
			if total > MaxStateBytes {
				return nil, fmt.Errorf("node: the state of node %d has %d bytes, over %d", core.NodeID(member), total, MaxStateBytes)
			}
			q.Ticket, state = part.GetTicket(), make([]byte, 0, total)
		}
		data := part.GetData()
		if part.GetTicket() != q.Ticket || total != uint64(cap(state)) || len(data) == 0 || len(state)+len(data) > cap(state) {
			return nil, nil // it was exported anew meanwhile
		}
		if state = append(state, data...); uint64(len(state)) == total {
			return state, nil
		}
		q.Offset, timeout = uint64(len(state)), statePartTimeout
	}
}

// askState is nil if the member does not answer in time.
func (n *Node) askState(ctx context.Context, self, member uint64, q *corepb.TableStateRequest, limit time.Duration) (*corepb.TableState, error) {
	answer := make(chan *corepb.TableState, 1)
	set := func(from, offset uint64, c chan *corepb.TableState) {
		n.states.mu.Lock()
		defer n.states.mu.Unlock()
		n.states.from, n.states.offset, n.states.answer = from, offset, c
	}
	set(member, q.GetOffset(), answer)
	defer set(0, 0, nil)
	if err := n.sendHost(&corepb.Envelope{From: self, To: member,
		Body: &corepb.Envelope_TableStateRequest{TableStateRequest: q}}); err != nil {
		return nil, err
	}
	timeout := time.NewTimer(limit)
	defer timeout.Stop()
	select {
	case s := <-answer:
		return s, nil
	case <-timeout.C:
		return nil, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (n *Node) receiveState(from uint64, s *corepb.TableState) bool {
	n.states.mu.Lock()
	defer n.states.mu.Unlock()
	if n.states.from == from && n.states.offset == s.GetOffset() && len(n.states.answer) == 0 {
		n.states.answer <- s
	}
	return true
}

// receiveStateRequest answers with a part of what is kept; a new one is exported
// elsewhere than on the connection's goroutine, one at a time.
func (n *Node) receiveStateRequest(env *corepb.Envelope) bool {
	q := env.GetTableStateRequest()
	n.states.mu.Lock()
	defer n.states.mu.Unlock()
	if q.GetTicket() != 0 {
		n.sendState(env, n.partOf(q))
		return true
	}
	if n.states.exporting {
		return false
	}
	n.states.exporting = true
	n.cfg.Go(func() { n.export(env) })
	return true
}

// export has the host export the state, and answers with its first part.
func (n *Node) export(q *corepb.Envelope) {
	var state []byte
	if n.cfg.Export != nil {
		ctx, done := context.WithTimeout(context.Background(), exportTimeout)
		defer done()
		var err error
		if state, err = n.cfg.Export(ctx); err == nil && len(state) > MaxStateBytes {
			state, err = nil, fmt.Errorf("it has %d bytes, over %d", len(state), MaxStateBytes)
		}
		if err != nil {
			n.cfg.Logger.Warn(fmt.Sprintf("node %d asked for the state of this node's database: %v", core.NodeID(q.GetFrom()), err))
		}
	}
	n.states.mu.Lock()
	defer n.states.mu.Unlock()
	n.states.exporting = false
	n.states.ticket++
	n.keep(state)
	n.sendState(q, n.partOf(&corepb.TableStateRequest{Ticket: n.states.ticket}))
}

// keep keeps a state for as long as it is asked for. The caller holds states.mu.
func (n *Node) keep(state []byte) {
	if n.states.until != nil {
		n.states.until.Stop()
	}
	n.states.kept = state
	ticket := n.states.ticket
	n.states.until = time.AfterFunc(stateKept, func() {
		n.states.mu.Lock()
		defer n.states.mu.Unlock()
		if n.states.ticket == ticket {
			n.states.kept = nil
		}
	})
}

// partOf is what answers q. The caller holds states.mu.
func (n *Node) partOf(q *corepb.TableStateRequest) *corepb.TableState {
	total, offset := uint64(len(n.states.kept)), q.GetOffset()
	if q.GetTicket() != n.states.ticket || offset >= total {
		return &corepb.TableState{Ticket: q.GetTicket(), Offset: offset}
	}
	n.states.until.Reset(stateKept)
	return &corepb.TableState{Ticket: q.GetTicket(), Total: total, Offset: offset,
		Data: n.states.kept[offset:min(total, offset+statePartBytes)]}
}

func (n *Node) sendState(q *corepb.Envelope, s *corepb.TableState) {
	if err := n.sendHost(&corepb.Envelope{From: q.GetTo(), To: q.GetFrom(), Body: &corepb.Envelope_TableState{TableState: s}}); err != nil {
		n.cfg.Logger.Warn(err.Error())
	}
}
