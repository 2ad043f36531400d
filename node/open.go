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
	if cfg.Answered == nil {
		cfg.Answered = func() {}
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
	n.room.met, n.part = make(chan struct{}, 1), make(chan struct{}, 1)
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

// openStore takes over what the node finds, as core.TakeOver decides; false if it was
// never initialised.
func (n *Node) openStore() (bool, error) {
	found, damage, err := n.find()
	if err != nil {
		return false, errors.Join(err, n.closeStore())
	}
	switch t := core.TakeOver(n.self(), n.cfg.endpoint(), found); t.Outcome {
	case core.StartUninitialised:
		return false, n.closeStore()
	case core.StartRefused:
		return false, errors.Join(n.refusal(t, found, damage), n.closeStore())
	default:
		if err := n.adopt(t, *found.Identity); err != nil {
			return false, errors.Join(err, n.closeStore())
		}
		return true, nil
	}
}

// self is what the settings say of this node's identity.
func (n *Node) self() core.Identity {
	return core.Identity{ClusterID: n.cfg.ClusterID, NodeID: n.cfg.NodeID}
}

// find looks at the marker and at the data directory, and opens the store in it.
// damage says what is wrong with a damaged marker: then nothing else is looked at.
func (n *Node) find() (f core.Found, damage, err error) {
	f.Marker, damage, err = readMarker(n.cfg.MarkerPath)
	if f.MarkerDamaged = damage != nil; f.MarkerDamaged || err != nil {
		return f, damage, err
	}
	if f.Holds, err = look(n.cfg.DataDir); err != nil {
		return f, nil, fmt.Errorf("node: data directory: %w", err)
	}
	if f.Holds != core.HoldsStore {
		return f, nil, nil
	}
	if err := reachable(n.cfg.DataDir); err != nil {
		return f, nil, err
	}
	options := n.storeOptions()
	options.Existing = f.Marker != nil // it may be taken away at any moment
	s, err := store.Open(n.cfg.DataDir, options)
	if errors.Is(err, store.ErrNewerFormat) {
		err = tooOld(err)
	}
	if err != nil {
		return f, nil, err
	}
	n.store = s
	id, ok, err := s.Identity()
	if ok && err == nil {
		f.Identity = &id
	}
	return f, nil, err
}

// adopt makes durable what t says of a store that is this node's, which had the
// identity found.
func (n *Node) adopt(t core.Takeover, found core.Identity) error {
	if t.Identity.ClusterID != found.ClusterID {
		n.cfg.Logger.Warn(fmt.Sprintf("node %d: the cluster %q is called %q from now on; members that call it otherwise are refused",
			found.NodeID, found.ClusterID, t.Identity.ClusterID))
	}
	for _, step := range t.Steps {
		var err error
		switch step {
		case core.StoreIdentity:
			err = n.store.SetIdentity(t.Identity)
		case core.WriteMarker:
			err = n.writeMarker(t.Marker)
		case core.RemoveMarker:
			err = os.Remove(n.cfg.MarkerPath) // see removedFromCluster, which did not get to it
		}
		if err != nil {
			return err
		}
	}
	n.id, n.former = t.Identity, t.Marker.Former
	return nil
}

func (n *Node) storeOptions() store.Options {
	return store.Options{FS: n.cfg.FS, Retention: n.cfg.Retention, Newest: n.cfg.newest(), Logger: n.cfg.Logger, OnFull: n.room.signal}
}
