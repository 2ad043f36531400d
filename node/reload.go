package node

import (
	"context"
	"fmt"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/node/recorder"
	"github.com/pgraft/pgraft/node/store"
	"github.com/pgraft/pgraft/node/transport"
)

// Settings are what of a Config can change while a node runs.
type Settings struct {
	ElectionTimeout   time.Duration
	HeartbeatInterval time.Duration
	SnapshotEntries   uint64
	Retention         store.Retention // but for RetainFrom
	Trace             recorder.Settings
	TLS               transport.TLSFiles // read anew if the node uses TLS
	SealTimeout       time.Duration      // as Config.SealTimeout
}

// Reload puts new settings into force. A core has its timings for life, so new
// ones start another from the log store, as a restart of the server would: a
// leader loses leadership, and proposals go on with the new core. An error
// means that nothing has changed, or that the node has failed. What waits for the
// disk is refused with ErrDiskHangs while that hangs.
func (n *Node) Reload(s Settings) error {
	n.reloading.Lock() // held while mu is not
	defer n.reloading.Unlock()
	retain, restart, err := n.takeOverSettings(s)
	if err == nil {
		err = n.setRetention(retain)
	}
	if err != nil || !restart {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.state != Running {
		return nil // it was removed, failed or closed meanwhile
	}
	n.cfg.Logger.Info(fmt.Sprintf("election timeout %v, heartbeat interval %v, snapshot every %d entries from now on",
		n.cfg.ElectionTimeout, n.cfg.HeartbeatInterval, n.cfg.SnapshotEntries))
	return n.replaceCore(func() error { return nil })
}

// takeOverSettings does what needs no disk, and returns what else is to be done:
// the store that is to have a new retention, or nil, and whether another core has
// to start.
func (n *Node) takeOverSettings(s Settings) (retain store.Store, restart bool, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s.Retention.RetainFrom = n.cfg.Retention.RetainFrom // as RetainFrom and the members say
	old, next := n.cfg, n.cfg
	next.ElectionTimeout, next.HeartbeatInterval = s.ElectionTimeout, s.HeartbeatInterval
	next.SnapshotEntries, next.Retention, next.Trace, next.SealTimeout = s.SnapshotEntries, s.Retention, s.Trace, s.SealTimeout
	if err := next.Validate(); err != nil {
		return nil, false, err
	}
	restart = n.state == Running && (old.ElectionTimeout != next.ElectionTimeout || old.HeartbeatInterval != next.HeartbeatInterval ||
		old.SnapshotEntries != next.SnapshotEntries || old.failsOver() && old.SealTimeout != next.SealTimeout)
	if old.Retention != next.Retention && (n.state == Running || n.state == Waiting) {
		retain = n.store
	}
	if (restart || retain != nil) && n.diskHangs() {
		return nil, false, fmt.Errorf("%w: it has not finished a write to %s; reload once more when it has", ErrDiskHangs, n.cfg.DataDir)
	}
	// Field by field: the others are read without mu.
	n.cfg.ElectionTimeout, n.cfg.HeartbeatInterval = s.ElectionTimeout, s.HeartbeatInterval
	n.cfg.SnapshotEntries, n.cfg.Retention, n.cfg.Trace, n.cfg.SealTimeout = s.SnapshotEntries, s.Retention, s.Trace, s.SealTimeout
	n.rec.Set(s.Trace)
	if n.tls != nil {
		n.reloadTLS(s.TLS)
	}
	return retain, restart, nil
}

// diskHangs is for what would wait for the disk. The caller holds mu.
func (n *Node) diskHangs() bool { return n.run != nil && n.run.disk.hangs() }

// reloadTLS reads the certificates anew. The connections there are stay as they
// are; who connects from now on meets the new ones.
func (n *Node) reloadTLS(f transport.TLSFiles) {
	changed, err := n.tls.Reload(f)
	if err != nil {
		n.cfg.Logger.Warn(fmt.Sprintf("the certificate and the CA that were read before stay in force: %v", err))
		return
	}
	if changed {
		n.sayTLS()
	}
}

// sayTLS logs what this node shows to others from now on.
func (n *Node) sayTLS() {
	n.cfg.Logger.Info(fmt.Sprintf("TLS with the certificate of %q, which expires at %s",
		n.tls.Leaf().Subject.CommonName, n.tls.Expiry().UTC().Format("2006-01-02 15:04:05+00")))
	if err := n.tls.Valid(); err != nil {
		n.cfg.Logger.Warn(fmt.Sprintf("other nodes will refuse this node: %v", err))
	}
}

// Certificate says for how long others accept this node's certificate; false
// without TLS.
func (n *Node) Certificate() (expiry time.Time, ok bool) {
	if n.tls == nil {
		return expiry, false
	}
	return n.tls.Expiry(), true
}

// replaceCore starts another core in place of the running one. The caller holds
// mu, which is let go of at first. In between no core runs, and with an error
// none will: the node fails.
func (n *Node) replaceCore(between func() error) error {
	r := n.run
	defer close(r.over)
	r.replaced.Store(true)
	r.stop()
	n.mu.Unlock()
	r.wait(context.Background())
	n.note.settle()
	n.mu.Lock()
	if n.state != Running || n.run != r {
		return nil // it was removed, failed or closed meanwhile
	}
	// No lease may outlive the core that held it: the next one may elect others.
	st := r.core.Status()
	st.Role, st.Lead, st.LeaseTicks = core.RoleFollower, 0, 0
	n.publishUnknown()
	n.publish(r, Status{State: Running, Core: st})
	err := between()
	if err == nil {
		err = n.begin()
	}
	if err != nil {
		n.failLocked(err)
		return err
	}
	return nil
}
