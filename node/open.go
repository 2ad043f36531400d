package node

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/node/recorder"
	"github.com/pgraft/pgraft/node/store"
	"github.com/pgraft/pgraft/node/transport"
)

// Open starts listening, and the core if the data directory belongs to a
// member. Without a data directory the node is uninitialised: it tells callers
// so until Init.
func Open(cfg Config) (*Node, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Go == nil {
		cfg.Go = func(f func()) { go f() }
	}
	if cfg.Publish == nil {
		cfg.Publish = func(Status) {}
	}
	var encryption *transport.TLS
	if cfg.TLS != nil {
		var err error
		if encryption, err = transport.LoadTLS(*cfg.TLS); err != nil {
			return nil, err
		}
	}
	start := cfg.Go
	var n *Node
	cfg.Go = func(f func()) {
		start(func() {
			defer n.panicked()
			f()
		})
	}
	n = &Node{cfg: cfg, tls: encryption, id: core.Identity{ClusterID: cfg.ClusterID, NodeID: cfg.NodeID}}
	n.rec = recorder.Open(filepath.Join(cfg.DataDir, traceDir), cfg.Trace, cfg.Logger)
	n.stats.since = time.Now()
	if err := n.open(); err != nil {
		if n.net != nil { // without mu: it waits for those who greet
			err = errors.Join(err, n.net.Close())
		}
		return nil, errors.Join(err, n.closeStore())
	}
	return n, nil
}

// KeepTrace puts what the flight recorder has aside, so that later incidents do
// not overwrite it. A node does that by itself when one of its goroutines panics
// or its store fails; a host that panics calls it. It works in every state.
func (n *Node) KeepTrace(why string) { n.rec.Keep("panic", why) }

// panicked is deferred by all goroutines of the node. A panic goes on, once what
// led to it is kept.
func (n *Node) panicked() {
	if p := recover(); p != nil {
		n.KeepTrace(fmt.Sprintf("panic: %v\n%s", p, debug.Stack()))
		panic(p)
	}
}

func (n *Node) open() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	found, err := n.openStore()
	if err != nil {
		return err
	}
	n.net, err = transport.Listen(transport.Config{Listen: n.cfg.listen(), Handler: (*peers)(n), Logger: n.cfg.Logger, Go: n.cfg.Go, TLS: n.tls})
	switch {
	case err != nil:
	case !found:
		n.setState(Uninitialised)
	default:
		err = n.begin()
	}
	if err != nil {
		n.state = Closed // for those who greet
	}
	return err
}

// openStore opens an existing store and checks that it is this node's; false
// if there is none.
func (n *Node) openStore() (bool, error) {
	mark, marked, err := readMarker(n.cfg.MarkerPath)
	if err != nil {
		return false, err
	}
	if _, err := os.Stat(n.cfg.DataDir); errors.Is(err, os.ErrNotExist) || err == nil && isEmpty(n.cfg.DataDir) {
		if marked {
			return false, fmt.Errorf("node: %s is empty, but %s says that node %d was initialised: its data is lost; "+
				"remove the node from the cluster, delete %[2]s, then initialise and add it again", n.cfg.DataDir, n.cfg.MarkerPath, mark.NodeID)
		}
		return false, nil
	} else if err != nil {
		return false, fmt.Errorf("node: data directory: %w", err)
	}
	s, err := store.Open(n.cfg.DataDir, n.storeOptions())
	if err != nil {
		return false, err
	}
	n.store = s
	id, ok, err := s.Identity()
	switch {
	case err != nil:
	case !ok && !marked: // Init did not get to its end: it can be repeated
		return false, n.closeStore()
	case !ok:
		err = fmt.Errorf("node: the log store in %s has no identity, but %s says that node %d was initialised", n.cfg.DataDir, n.cfg.MarkerPath, mark.NodeID)
	case id.NodeID != n.cfg.NodeID:
		err = fmt.Errorf("node: %s belongs to node %d, but the node id is set to %d", n.cfg.DataDir, id.NodeID, n.cfg.NodeID)
	case id.ClusterID != n.cfg.ClusterID:
		err = fmt.Errorf("node: %s belongs to the cluster %q, but the cluster id is set to %q", n.cfg.DataDir, id.ClusterID, n.cfg.ClusterID)
	case marked && mark.Replica != id.ReplicaUUID:
		err = fmt.Errorf("node: %s holds another replica than the one that %s describes: it was copied or exchanged", n.cfg.DataDir, n.cfg.MarkerPath)
	}
	switch {
	case err != nil:
	case id.Removed && marked:
		err = os.Remove(n.cfg.MarkerPath) // see removedFromCluster, which did not get to it
	case !id.Removed && !marked:
		err = writeMarker(n.cfg.MarkerPath, id, nil)
	}
	if err != nil {
		return false, errors.Join(err, n.closeStore())
	}
	n.id, n.former = id, mark.Former
	return true, nil
}

func (n *Node) storeOptions() store.Options {
	return store.Options{FS: n.cfg.FS, Retention: n.cfg.Retention, Logger: n.cfg.Logger}
}

func isEmpty(dir string) bool {
	names, err := os.ReadDir(dir)
	return err == nil && len(names) == 0
}
