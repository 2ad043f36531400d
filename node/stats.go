package node

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/node/transport"
)

// Stats are what a node has counted since it was opened.
type Stats struct {
	Since time.Time

	Proposals       uint64 // asked on this node
	ProposalsFailed uint64 // of them, refused or of unknown outcome
	Proposing       time.Duration
	Entries         uint64 // committed user entries that this node has taken over
	EntryBytes      uint64 // of their data

	Syncs    uint64 // writes to the log store that were made durable
	Syncing  time.Duration
	LastSync Sync // the zero value: none yet
	MaxSync  time.Duration
	// SyncFor is how long the one under way has lasted, 0 if there is none.
	SyncFor time.Duration

	Elections     uint64 // that this node has called, since it heard no leader
	ElectionsWon  uint64 // of these, and of those that a leader asked it for
	LeaderChanges uint64 // another leader or another term of the same, as seen here

	SnapshotsTaken    uint64 // of the cluster's own state, for this node's restart
	SnapshotsSent     uint64 // to members behind the log
	SnapshotsReceived uint64
}

// Sync is one write to the log store that was made durable.
type Sync struct {
	At   time.Time // its end
	Took time.Duration
}

// stats is what Stats is made from. It outlives a runner.
type stats struct {
	since                                            time.Time
	proposals, proposalsFailed, proposing            atomic.Uint64 // proposing in nanoseconds
	entries, entryBytes                              atomic.Uint64
	counted                                          atomic.Uint64 // index up to which entries are, or were in a life before
	elections, won, leaderChanges                    atomic.Uint64
	snapshotsTaken, snapshotsSent, snapshotsReceived atomic.Uint64

	mu      sync.Mutex // guards what follows
	syncs   uint64
	syncing time.Duration
	last    Sync
	max     time.Duration
	began   time.Time // of the sync under way; zero: none
}

// Stats is what this node has counted.
func (n *Node) Stats() Stats {
	s := &n.stats
	out := Stats{Since: s.since,
		Proposals: s.proposals.Load(), ProposalsFailed: s.proposalsFailed.Load(), Proposing: time.Duration(s.proposing.Load()),
		Entries: s.entries.Load(), EntryBytes: s.entryBytes.Load(),
		Elections: s.elections.Load(), ElectionsWon: s.won.Load(), LeaderChanges: s.leaderChanges.Load(),
		SnapshotsTaken: s.snapshotsTaken.Load(), SnapshotsSent: s.snapshotsSent.Load(), SnapshotsReceived: s.snapshotsReceived.Load()}
	s.mu.Lock()
	defer s.mu.Unlock()
	out.Syncs, out.Syncing, out.LastSync, out.MaxSync = s.syncs, s.syncing, s.last, s.max
	if !s.began.IsZero() {
		out.SyncFor = time.Since(s.began)
	}
	return out
}

// proposed counts a proposal that has ended.
func (s *stats) proposed(began time.Time, err error) {
	s.proposals.Add(1)
	s.proposing.Add(uint64(time.Since(began)))
	if err != nil {
		s.proposalsFailed.Add(1)
	}
}

// timed is w with a look at the clock at each write. One that has nothing to make
// durable does not count.
func (s *stats) timed(w writer) writer {
	return func(loop func(func([]core.Persist) error) error) error {
		defer s.synced(time.Time{}) // a failure leaves a write where it is
		return w(func(write func([]core.Persist) error) error {
			return loop(func(b []core.Persist) error {
				if !slices.ContainsFunc(b, func(p core.Persist) bool { return p.Sync }) {
					return write(b)
				}
				began := time.Now()
				s.mu.Lock()
				s.began = began
				s.mu.Unlock()
				err := write(b)
				if err != nil {
					began = time.Time{}
				}
				s.synced(began)
				return err
			})
		})
	}
}

// synced notes that no sync is under way any more, and counts one that began then.
func (s *stats) synced(began time.Time) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.began = time.Time{}
	if !began.IsZero() {
		s.syncs++
		s.syncing += now.Sub(began)
		s.last = Sync{now, now.Sub(began)}
		s.max = max(s.max, s.last.Took)
	}
}

// persisted counts the snapshots in batches for the log store.
func (s *stats) persisted(b []core.Persist) {
	for _, p := range b {
		if p.Snapshot != nil {
			s.snapshotsReceived.Add(1)
		}
		if p.Mark != nil {
			s.snapshotsTaken.Add(1)
		}
	}
}

// started notes what a core that starts applies once more.
func (s *stats) started(committed uint64) { s.counted.Store(max(s.counted.Load(), committed)) }

// applied counts entries that no core of this node has applied before.
func (s *stats) applied(as []core.Apply) {
	entries, bytes, counted := 0, 0, s.counted.Load()
	for _, a := range as {
		if a.Index > counted {
			entries++
			bytes += len(a.Data)
		}
	}
	s.started(as[len(as)-1].Index)
	s.entries.Add(uint64(entries))
	s.entryBytes.Add(uint64(bytes))
}

// changed counts what two statuses of one core, one after the other, differ in.
func (s *stats) changed(old, now core.Status) {
	s.elections.Add(now.Campaigns - old.Campaigns)
	if now.Lead != 0 && (now.Lead != old.Lead || now.Term != old.Term) {
		s.leaderChanges.Add(1)
	}
	if now.Role == core.RoleLeader && (old.Role != core.RoleLeader || now.Term != old.Term) {
		s.won.Add(1)
	}
}

// Peers is the state of the connections to the other members.
func (n *Node) Peers() []transport.PeerStat { return n.net.Peers() }

// Disk is the room on the file system of the log store, in bytes.
type Disk struct{ Free, Total uint64 }

// Disk asks the file system that holds the data directory. Free is what a
// process without privileges may use.
func (n *Node) Disk() (Disk, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(n.cfg.DataDir, &fs); err != nil {
		return Disk{}, fmt.Errorf("node: file system of %s: %w", n.cfg.DataDir, err)
	}
	return Disk{Free: fs.Bavail * uint64(fs.Bsize), Total: fs.Blocks * uint64(fs.Bsize)}, nil
}
