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
	n.room.met = make(chan struct{}, 1)
	n.needs.From, n.ended = cfg.Retention.RetainFrom, make(chan struct{})
	n.rec = recorder.Open(filepath.Join(cfg.DataDir, traceDir), cfg.Trace, cfg.Logger, cfg.Go)
	n.stats.since = time.Now()
	if err := n.open(); err != nil {
		if n.net != nil { // without mu: it waits for those who greet
			err = errors.Join(err, n.net.Close())
		}
		return nil, errors.Join(err, n.closeStore())
	}
	if n.tls != nil {
		n.sayTLS()
	}
	n.cfg.Go(n.watchRoom)
	n.cfg.Go(n.watchFiles)
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
	has, err := look(n.cfg.DataDir)
	switch {
	case err != nil:
		return false, fmt.Errorf("node: data directory: %w", err)
	case has == somethingElse:
		return false, n.foreign(mark, marked)
	case has == nothing:
		if marked {
			return false, n.lostData(mark)
		}
		return false, nil
	}
	if err := reachable(n.cfg.DataDir); err != nil {
		return false, err
	}
	options := n.storeOptions()
	options.Existing = marked // it may be taken away at any moment
	s, err := store.Open(n.cfg.DataDir, options)
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
	default:
		err = n.takeOver(id, mark, marked)
	}
	if err != nil {
		return false, errors.Join(err, n.closeStore())
	}
	return true, nil
}

// lostData is the error for a directory without the log store that the marker
// promises.
func (n *Node) lostData(mark marker) error {
	what := "is empty"
	if names, err := os.ReadDir(n.cfg.DataDir); err == nil && len(names) > 0 {
		what = "holds no log store"
	}
	return &OpenError{Alarm: core.Wiped, Passes: true,
		Text: fmt.Sprintf("%s %s, but %s says that node %d was initialised: it is not mounted, or its data is lost", n.cfg.DataDir, what, n.cfg.MarkerPath, mark.NodeID),
		Hint: fmt.Sprintf("If it lies on a file system of its own, mount it: the node then starts by itself. If the data is lost, "+
			"remove node %d from the cluster on its leader, delete %s, restart this server, run pgraft_init(false), and add it again.", mark.NodeID, n.cfg.MarkerPath)}
}

// OpenError says why a directory cannot be taken for this node's, and what an
// operator can do.
type OpenError struct {
	Alarm  core.Alarm
	Text   string
	Hint   string // sentences
	Passes bool   // it can be tried again: the data may only be out of reach
	// Foreign: the directory never was a node's.
	Foreign bool
}

func (e *OpenError) Error() string { return "node: " + e.Text + ". " + e.Hint }

// notOurs is the error for a directory that was copied, moved or exchanged.
func (n *Node) notOurs(alarm core.Alarm, otherwise, text string, a ...any) error {
	return &OpenError{Alarm: alarm, Text: fmt.Sprintf("%s ", n.cfg.DataDir) + fmt.Sprintf(text, a...),
		Hint: fmt.Sprintf("If this server is a copy, as a standby or a restored backup is: stop it, empty %s, delete %s, start it and run pgraft_init(false). %s",
			n.cfg.DataDir, n.cfg.MarkerPath, otherwise)}
}

// takeOver checks that a store's identity is that of this node, as its settings
// and its marker have it. The name of the cluster may have changed: what it is
// known by is its uuid, and members of another name are refused.
func (n *Node) takeOver(id core.Identity, mark marker, marked bool) error {
	switch {
	case id.NodeID != n.cfg.NodeID:
		return n.notOurs(core.OtherReplica, fmt.Sprintf("Else set the node id back to %d.", id.NodeID),
			"belongs to node %d, but the node id is set to %d", id.NodeID, n.cfg.NodeID)
	case marked && mark.Replica != id.ReplicaUUID:
		return n.notOurs(core.OtherReplica, "Else bring the right one back.", "holds another replica than the one that %s describes: it was copied or exchanged", n.cfg.MarkerPath)
	case marked && mark.Address != "" && mark.Address != n.cfg.endpoint():
		return n.notOurs(core.Copy, fmt.Sprintf("If it has moved: remove node %d from the cluster, do the same here, then add it again. "+
			"If this is the same server under another name, and the others reach it under both: delete %s alone, and start it.", id.NodeID, n.cfg.MarkerPath),
			"belongs to node %d at %s, but its address is set to %s", id.NodeID, mark.Address, n.cfg.endpoint())
	}
	if id.ClusterID != n.cfg.ClusterID {
		n.cfg.Logger.Warn(fmt.Sprintf("node %d: the cluster %q is called %q from now on; members that call it otherwise are refused",
			id.NodeID, id.ClusterID, n.cfg.ClusterID))
		id.ClusterID = n.cfg.ClusterID
		if err := n.store.SetIdentity(id); err != nil {
			return err
		}
	}
	n.id, n.former = id, mark.Former
	switch {
	case id.Removed && marked:
		return os.Remove(n.cfg.MarkerPath) // see removedFromCluster, which did not get to it
	case !id.Removed && (!marked || mark.Address == ""):
		return n.writeMarker(id, mark.Former)
	}
	return nil
}

func (n *Node) storeOptions() store.Options {
	return store.Options{FS: n.cfg.FS, Retention: n.cfg.Retention, Logger: n.cfg.Logger, OnFull: n.room.signal}
}
