package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/retain"
	"github.com/pgraft/pgraft/node/store"
)

// The runner as core.Keeper: package retain decides what is kept in the log, and
// what is asked of which member and answered; here that is carried out.

// MaxStateBytes bounds an exported state.
const MaxStateBytes = retain.MaxStateBytes

// ErrNoState says that no member has an exported state to give.
var ErrNoState = errors.New("node: no member can export its database's state")

// HistoryError says that entries are in no log that could be asked, but that
// not all members answered.
type HistoryError struct {
	After  uint64
	Silent []uint32 // node ids
}

func (e *HistoryError) Error() string {
	return fmt.Sprintf("the entries after %d are not in this node's log, and nodes %v did not answer", e.After, e.Silent)
}

// kept is what a runner holds for its core; its goroutine's.
type kept struct {
	exported map[uint64][]byte    // by ticket: the states that other members ask for
	gathered map[uint64]*gathered // by request: what its answer is made of
	given    pace
}

// gathered belongs to the runner until the reply, then to who asked.
type gathered struct {
	fetched retain.Fetched
	state   []byte
	from    uint64 // Raft id of who exported state
}

// RetainFrom says from which index on this node's database still needs the log; 0 =
// it needs none. importable says that it can be filled from another one's exported
// state, so that no other member has to keep entries for it. Before the first call
// that is Config.Retention.RetainFrom.
func (n *Node) RetainFrom(index uint64, importable bool) {
	n.mu.Lock()
	n.needs = core.Needs{From: index, Importable: importable}
	needs, r := n.needs, n.run
	n.mu.Unlock()
	if r != nil {
		r.put(needs) // the next one begins with n.needs
	}
}

// Retain has the store keep entries from another index on. That may wait for the
// disk, so it is done elsewhere, and for all changes that come meanwhile at once.
func (r *runner) Retain(from uint64) {
	n := r.n
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.run != r || n.cfg.Retention.RetainFrom == from {
		return
	}
	n.cfg.Retention.RetainFrom = from
	if !n.retaining {
		n.retaining = true
		n.cfg.Go(n.retain)
	}
}

// retain puts n.cfg.Retention into force.
func (n *Node) retain() {
	n.mu.Lock()
	n.retaining = false
	s := n.store
	if n.state != Running && n.state != Waiting {
		s = nil // it is opened with it, or never used again
	}
	n.mu.Unlock()
	if err := n.setRetention(s); err != nil {
		n.cfg.Logger.Error(fmt.Sprintf("what the log has to keep could not be set: %v", err))
	}
}

// setRetention has the store, unless it is nil, keep what n.cfg.Retention says. The
// caller does not hold mu: this waits for the disk.
func (n *Node) setRetention(s store.Store) error {
	if s == nil {
		return nil
	}
	n.retention.Lock()
	defer n.retention.Unlock()
	n.mu.Lock()
	r := n.cfg.Retention
	n.mu.Unlock()
	err := s.SetRetention(r)
	if errors.Is(err, store.ErrClosed) {
		return nil // the node was closed meanwhile
	}
	if err != nil {
		n.fail(err)
	}
	return err
}

// ReadHistory reads the log store elsewhere: that waits for the disk, and for the
// asker's turn.
func (r *runner) ReadHistory(x retain.Read) {
	rest := r.kept.given.rest(x.For, time.Now())
	r.n.cfg.Go(func() {
		if rest > 0 {
			select {
			case <-time.After(rest):
			case <-r.n.ended:
				return
			}
		}
		in := core.HistoryRead{Ticket: x.Ticket}
		var err error
		var gap *store.GapError
		in.First, in.Entries, err = readCommitted(r.store, x.After, x.Last, x.MaxBytes)
		if err != nil && !errors.As(err, &gap) {
			in.Failed = true
			r.n.cfg.Logger.Warn(fmt.Sprintf("node %d asked for the entries after %d: %v", core.NodeID(x.For), x.After, err))
		}
		r.put(in)
	})
}

// Export has the database exported, and holds what comes of it.
func (r *runner) Export(ticket uint64) {
	r.n.cfg.Go(func() {
		state, err := r.n.exportState()
		if err != nil {
			r.n.cfg.Logger.Warn(fmt.Sprintf("another node asked for the state of this node's database: %v", err))
		}
		r.put(func() {
			if len(state) > 0 {
				r.kept.exported[ticket] = state
			}
			r.step(core.Exported{Ticket: ticket, Size: uint64(len(state))})
		})
	})
}

func (n *Node) exportState() ([]byte, error) {
	if n.cfg.Export == nil {
		return nil, nil
	}
	ctx, done := context.WithTimeout(context.Background(), retain.ExportMillis*time.Millisecond)
	defer done()
	return n.cfg.Export(ctx)
}

func (r *runner) DropState(ticket uint64) { delete(r.kept.exported, ticket) }

func (r *runner) SendPart(p retain.SendPart) {
	data := r.kept.exported[p.Ticket][p.Offset : p.Offset+p.Size]
	r.Send(core.PartMessage(r.known.RaftID, p, data))
}

func (r *runner) Fetched(f retain.Fetched) {
	if g := r.kept.gathered[f.ID]; g != nil {
		g.fetched = f
	}
}

func (r *runner) StatePart(p retain.StatePart) {
	g := r.kept.gathered[p.ID]
	if g == nil {
		return
	}
	if p.Offset == 0 {
		g.state, g.from = make([]byte, 0, p.Total), p.From
	}
	g.state = append(g.state, p.Data...)
}

// gather is runner.do for a request whose answer is more than its reply; it goes on
// with the next runner where another takes the place of the one that was asked.
func (n *Node) gather(ctx context.Context, in func(id uint64) core.Input) (*gathered, core.Reply, error) {
	for {
		r, err := n.running()
		if err != nil {
			return nil, core.Reply{}, err
		}
		g := &gathered{}
		rep, stopped := r.do(ctx, func(id uint64) core.Input {
			r.kept.gathered[id] = g
			return in(id)
		})
		if stopped && r.wasReplaced(ctx) {
			continue
		}
		if rep.Code != core.OK && ctx.Err() != nil {
			return nil, rep, ctx.Err()
		}
		return g, rep, nil
	}
}

// FetchState asks the members that can be reached, in turn, for the state of their
// database, and returns what the host of the first that has one exported.
// The error is ErrNoState if none has.
func (n *Node) FetchState(ctx context.Context) (state []byte, from uint32, err error) {
	g, rep, err := n.gather(ctx, func(id uint64) core.Input { return core.FetchState{ID: id} })
	switch {
	case err != nil:
		return nil, 0, err
	case rep.Code == core.NotPossible:
		return nil, 0, ErrNoState
	case rep.Code != core.OK:
		return nil, 0, failure(rep)
	}
	return g.state, core.NodeID(g.from), nil
}

// fetch asks the other members in turn for the entries after an index, up to
// last. None and no error: all answered, and none has the first of them; first is
// then where the log of one of them begins, 0 if that is not known.
func (n *Node) fetch(ctx context.Context, after, last uint64) (es []CommittedEntry, first uint64, err error) {
	g, rep, err := n.gather(ctx, func(id uint64) core.Input { return core.FetchHistory{ID: id, After: after, Last: last} })
	switch {
	case err != nil:
		return nil, 0, err
	case rep.Code != core.OK:
		return nil, 0, failure(rep)
	case len(g.fetched.Entries) == 0 && len(g.fetched.Silent) > 0:
		e := &HistoryError{After: after}
		for _, id := range g.fetched.Silent {
			e.Silent = append(e.Silent, core.NodeID(id))
		}
		return nil, 0, e
	}
	return g.fetched.Entries, g.fetched.First, nil
}
