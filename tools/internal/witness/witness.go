// Package witness is `pgraft node`: a node of a cluster without PostgreSQL, so
// that two servers and a third machine have a majority when one of them fails. It
// votes and keeps the log like any member, applies nothing, and hands leadership
// over to a server whenever it is elected. Call Run.
package witness

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
	"github.com/pgraft/pgraft/node"
	"github.com/pgraft/pgraft/node/web"
)

// MaxEntryBytes is the largest entry that a leader may be asked for: the largest
// value of pgraft.max_entry_size.
const MaxEntryBytes = 16 << 20

// Config is what a node without PostgreSQL runs with.
type Config struct {
	// Dir holds the log store and the marker, as a server's data directory does.
	Dir   string
	Node  node.Config // but for DataDir, MarkerPath, MaxEntryBytes, Witness, Logger and Publish
	HTTP  string      // host:port to answer on, see package web; empty: nowhere
	HTTPS bool        // there with TLS, and the certificate of Node.TLS
	// YieldTo are the nodes that leadership is handed over to; empty: any voter.
	YieldTo []uint32
	Lead    bool // keep leadership
	Version string
	Logger  *slog.Logger
	// Reload is sent to when certificates are to be read anew.
	Reload <-chan struct{}
	// Listening, if not nil, is told where HTTP is answered.
	Listening func(net.Addr)
}

// storeDir and marker are named as in a server's data directory, so that what the
// documents say of these holds here too.
const (
	storeDir = "pgraft"
	marker   = "pgraft.initialized"
)

// Validate refuses what cannot work, by the names of the flags.
func (c Config) Validate() error {
	for _, id := range c.YieldTo {
		if id == c.Node.NodeID {
			return fmt.Errorf("--yield-to %d: that is this node", id)
		}
	}
	if c.Lead && len(c.YieldTo) > 0 {
		return errors.New("--lead and --yield-to contradict each other")
	}
	if c.HTTPS && c.Node.TLS == nil {
		return errors.New("--http-ssl needs --ssl-cert-file, --ssl-key-file and --ssl-ca-file")
	}
	return c.Node.Validate()
}

// witness is a running one.
type witness struct {
	cfg  Config
	node *node.Node
	http *web.Server

	mu      sync.Mutex
	last    node.Status
	changed chan struct{} // 1 slot: last is another one
}

// Run runs the node until ctx ends or the cluster removes it, which are no errors,
// or until it cannot go on.
func Run(ctx context.Context, cfg Config) (err error) {
	cfg.Node.DataDir, cfg.Node.MarkerPath = filepath.Join(cfg.Dir, storeDir), filepath.Join(cfg.Dir, marker)
	cfg.Node.MaxEntryBytes, cfg.Node.Witness = MaxEntryBytes, true
	if err := cfg.Validate(); err != nil {
		return err
	}
	w := &witness{cfg: cfg, changed: make(chan struct{}, 1)}
	cfg.Node.Logger, cfg.Node.Publish = cfg.Logger, w.publish
	if w.node, err = node.Open(cfg.Node); err != nil {
		return w.explain(err)
	}
	defer func() { err = errors.Join(err, w.node.Close()) }()
	if _, err := w.node.Init(new(false)); err != nil {
		return w.explain(err)
	}
	w.http = w.web()
	if err := w.http.Open(w.listen()); err != nil {
		return err
	}
	defer w.http.Close()
	if cfg.Listening != nil && cfg.HTTP != "" {
		cfg.Listening(w.http.Addr())
	}
	return w.loop(ctx)
}

// explain says what to do about a directory that is not this node's, without
// what only a server has.
func (w *witness) explain(err error) error {
	var refused *node.OpenError
	switch c := w.cfg.Node; {
	case errors.As(err, &refused) && refused.Foreign:
		return fmt.Errorf("%s; give this node a directory of its own with --data-dir", refused.Text)
	case errors.As(err, &refused):
		begin := "to begin anew"
		if refused.Passes {
			begin = "mount it and start this node; or, to begin anew"
		}
		return fmt.Errorf("%s; %s: remove node %d from the cluster on its leader, delete %s and %s, start this node, and add it again",
			refused.Text, begin, c.NodeID, c.DataDir, c.MarkerPath)
	case errors.Is(err, node.ErrContradiction), errors.Is(err, node.ErrFoundingBegun):
		return fmt.Errorf("%s holds what a PostgreSQL server left: give this node a directory of its own: %w", w.cfg.Dir, err)
	}
	return err
}

// publish must not block or call the node.
func (w *witness) publish(s node.Status) {
	w.mu.Lock()
	w.last = s
	w.mu.Unlock()
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

func (w *witness) status() node.Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}

func (w *witness) loop(ctx context.Context) error {
	y := yielder{w: w, pause: minPause}
	for {
		select {
		case <-ctx.Done():
			w.cfg.Logger.Info(fmt.Sprintf("node %d stops", w.cfg.Node.NodeID))
			return nil
		case <-w.cfg.Reload:
			c := w.cfg.Node
			s := node.Settings{ElectionTimeout: c.ElectionTimeout, HeartbeatInterval: c.HeartbeatInterval,
				SnapshotEntries: c.SnapshotEntries, Retention: c.Retention, Trace: c.Trace, SealTimeout: c.SealTimeout}
			if c.TLS != nil {
				s.TLS = *c.TLS
			}
			if err := w.node.Reload(s); err != nil {
				return err
			}
			if err := w.http.Open(w.listen()); err != nil {
				w.cfg.Logger.Error(fmt.Sprintf("%v; the certificate read before stays in force", err))
			}
			continue
		case <-w.changed:
		case <-y.again:
		}
		switch s := w.status(); {
		case s.State == node.Failed:
			return s.Failure
		case s.State == node.Removed:
			w.cfg.Logger.Warn(fmt.Sprintf("node %d was removed from its cluster and ends; to have it back: delete %s, start it, and add it on the leader",
				w.cfg.Node.NodeID, w.cfg.Node.DataDir))
			return nil
		case s.Core.Role == core.RoleLeader && !w.cfg.Lead:
			y.yield(ctx)
		}
	}
}

// How long a handover may take, and how long to wait before the next one: longer
// each time that one fails, as each that fails costs an election.
const (
	handoverLimit = 10 * time.Second
	minPause      = 100 * time.Millisecond
	maxPause      = 30 * time.Second
)

// yielder hands leadership over.
type yielder struct {
	w     *witness
	pause time.Duration
	next  time.Time        // not before
	again <-chan time.Time // nil: no need to look again by itself
}

func (y *yielder) yield(ctx context.Context) {
	if wait := time.Until(y.next); wait > 0 {
		y.again = time.After(wait)
		return
	}
	y.again = time.After(minPause) // nobody may fit yet
	ctx, done := context.WithTimeout(ctx, handoverLimit)
	defer done()
	v, err := y.w.node.View(ctx)
	if err != nil {
		return // it is being stopped or restarted: its next state says what is left to do
	}
	to := y.w.successor(v)
	if to == 0 {
		return
	}
	if err := y.w.node.TransferLeader(ctx, to); err != nil {
		y.pause = min(2*y.pause, maxPause)
		y.w.cfg.Logger.Warn(fmt.Sprintf("leadership was not handed over to node %d: %v; next try in %v at the earliest", to, err, y.pause))
		y.next = time.Now().Add(y.pause)
		return
	}
	// Two that hand over to each other do that at this pace.
	y.pause, y.next, y.again = minPause, time.Now().Add(time.Second), nil
	y.w.cfg.Logger.Info(fmt.Sprintf("handed leadership over to node %d", to))
}

// heirLag is how many entries a member may lack to take over at once: it gets
// them first, and nothing is committed meanwhile.
const heirLag = 1000

// successor is whom to hand leadership over to: the voter with the longest log of
// those that may have it and follow closely; 0 if there is none.
func (w *witness) successor(v node.View) uint32 {
	var best core.MemberStatus
	for _, m := range v.Members {
		if id := m.Member.GetRaftId(); id == v.Core.RaftID || !w.mayLead(core.NodeID(id)) || m.Member.GetRole() != corepb.Role_VOTER ||
			!m.Replicating || !v.Reachable(m) || m.Match+heirLag < v.Core.Last {
			continue
		}
		if best.Member == nil || m.Match > best.Match {
			best = m
		}
	}
	return core.NodeID(best.Member.GetRaftId())
}

func (w *witness) mayLead(id uint32) bool {
	for _, to := range w.cfg.YieldTo {
		if to == id {
			return true
		}
	}
	return len(w.cfg.YieldTo) == 0
}

// listen is where HTTP is answered.
func (w *witness) listen() web.Listen {
	l := web.Listen{Address: w.cfg.HTTP}
	if w.cfg.HTTPS {
		l.TLS = w.cfg.Node.TLS
	}
	return l
}
