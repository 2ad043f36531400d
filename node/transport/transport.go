package transport

import (
	"cmp"
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
)

// Transport is one node's end of the connections to all others.
type Transport struct {
	cfg     Config
	ln      *net.TCPListener
	reports *reports
	limit   *logLimit
	crowds  *crowds
	process []byte          // tells this process from any other with the same data
	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	running sync.WaitGroup // every goroutine but reports.run
	last    sync.WaitGroup // reports.run
	sockets sockets
	closing sync.Once
	result  error // of Close; guarded by closing

	mu         sync.Mutex // held for moments, never while something waits or is called
	closed     bool
	members    []*corepb.Member // as of the last SetPeers
	generation uint64           // counts the SetPeers that changed something
	peers      map[uint64]*peer // by Raft id
	lost       map[uint64]bool  // ids without a peer, reported as unreachable
	places     places           // of accepted connections before the end of their handshake
	renamed    chan struct{}    // 1 slot, for lookUpLoop: a member has another host name
	self       alarm            // about this node
	oldest     uint32           // version that members must know, see SetOldest
}

// PeerStat is what is known about the connection to one member.
type PeerStat struct {
	RaftID    uint64
	Address   string // host:port that is dialled; empty: not listed by SetPeers
	Connected bool
	Dialled   bool      // messages leave by the connection that this node dialled
	Since     time.Time // when it was last connected or disconnected

	MessagesIn, MessagesOut uint64 // since the peer was first known
	BytesIn, BytesOut       uint64 // with frame headers
	DroppedIn               uint64 // messages that Receive did not take
	DroppedOut              uint64 // messages not sent
	QueueMessages           int
	QueueBytes              int
	LastError               string // of the last attempt to connect; empty while it is well
	Alarm                   core.Alarm
	Version                 uint32 // that the connection speaks; 0 without one
	TLS                     TLSStat
}

// Listen opens cfg.Listen and starts to answer. The error names the address; if
// its port is in use, errors.Is(err, syscall.EADDRINUSE).
func Listen(cfg Config) (*Transport, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	lc := net.ListenConfig{KeepAlive: -1} // tune sets it
	lc.SetMultipathTCP(false)
	ln, err := lc.Listen(context.Background(), "tcp", cfg.Listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		host, port, _ := net.SplitHostPort(cfg.Listen) // Validate has split it before
		return nil, fmt.Errorf("transport: listen on address %s: port %s is in use by another process: %w",
			host, port, syscall.EADDRINUSE)
	}
	if err != nil {
		return nil, fmt.Errorf("transport: listen on %s: %w", cfg.Listen, plain(err))
	}
	t := &Transport{cfg: cfg, ln: ln.(*net.TCPListener), reports: newReports(cfg.Handler), limit: newLogLimit(),
		crowds:  newCrowds(),
		process: make([]byte, processBytes), peers: map[uint64]*peer{}, lost: map[uint64]bool{}, renamed: make(chan struct{}, 1)}
	crand.Read(t.process) // never fails (crypto/rand)
	t.ctx, t.cancel = context.WithCancel(context.Background())
	t.last.Add(1)
	cfg.Go(func() {
		defer t.last.Done()
		t.reports.run()
	})
	t.mu.Lock()
	t.start(t.acceptLoop)
	t.start(t.lookUpLoop)
	t.start(t.summaryLoop)
	t.mu.Unlock()
	return t, nil
}

// Addr is where the transport listens.
func (t *Transport) Addr() net.Addr { return t.ln.Addr() }

// SetPeers says who all other members are. They are dialled and kept connected;
// a changed address reconnects. Any change makes those that are down be tried
// at once. A member no longer listed is disconnected once its queue is flushed,
// or after Config.DrainTimeout; it takes messages a moment longer.
func (t *Transport) SetPeers(members []*corepb.Member) {
	list := make([]*corepb.Member, len(members))
	for i, m := range members {
		list[i] = proto.CloneOf(m)
	}
	slices.SortFunc(list, func(a, b *corepb.Member) int { return cmp.Compare(a.GetRaftId(), b.GetRaftId()) })
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || t.generation > 0 &&
		slices.EqualFunc(list, t.members, func(a, b *corepb.Member) bool { return proto.Equal(a, b) }) {
		return
	}
	t.members = list
	t.generation++
	clear(t.lost)
	listed := map[uint64]bool{}
	for _, m := range list {
		listed[m.GetRaftId()] = true
		p := t.peers[m.GetRaftId()]
		if p == nil || p.retiring {
			p = t.newPeer(m.GetRaftId())
		}
		p.list(m)
	}
	for id, p := range t.peers {
		if p.member != nil && !listed[id] {
			p.unlist()
		}
	}
}

// Send gives messages to their members' connections, in their order, and never blocks:
// what a socket does not take at once is queued. Without a connection, or with its queue
// full, a message is dropped and the Handler told. Data must not change any more. After
// Close it is dropped, and SnapshotSent is then called from inside Send.
func (t *Transport) Send(messages ...core.Send) {
	var few [8]*peer
	peers := few[:0]
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		for _, s := range messages {
			if s.Snapshot {
				t.cfg.Handler.SnapshotSent(s.To, false)
			}
		}
		return
	}
	for _, s := range messages {
		p := t.peers[s.To]
		if p == nil {
			t.dropUnknown(s)
			continue
		}
		p.enqueue(s)
		if !slices.Contains(peers, p) {
			peers = append(peers, p)
		}
	}
	for _, p := range peers {
		p.direct()
	}
	t.mu.Unlock()
	for _, s := range messages {
		if len(s.Data) > maxFrameBytes {
			t.logOnce(slog.LevelError, peerName(s.To), "size", fmt.Sprintf("dropped a message of %d bytes for %s: at most %d are allowed",
				len(s.Data), peerName(s.To), maxFrameBytes))
		}
	}
}

// dropUnknown drops a message for which there is no peer. Under t.mu.
func (t *Transport) dropUnknown(s core.Send) {
	if s.Snapshot {
		t.reports.snapshot(s.To, false)
	}
	if t.lost[s.To] {
		return
	}
	if len(t.lost) >= maxLostIDs {
		clear(t.lost)
	}
	t.lost[s.To] = true
	t.reports.unreachable(s.To)
}

// Peers is the state of every member listed or connected, by Raft id.
func (t *Transport) Peers() []PeerStat {
	t.mu.Lock()
	defer t.mu.Unlock()
	stats, now := make([]PeerStat, 0, len(t.peers)), time.Now()
	for _, p := range t.peers {
		s := PeerStat{RaftID: p.id, Connected: p.best() != nil, Dialled: p.out != nil, Since: p.since,
			MessagesIn: p.messagesIn.Load(), MessagesOut: p.messagesOut.Load(),
			BytesIn: p.bytesIn.Load(), BytesOut: p.bytesOut.Load(),
			DroppedIn: p.droppedIn.Load(), DroppedOut: p.droppedOut.Load(),
			QueueMessages: p.queueMessages, QueueBytes: p.queueBytes, Alarm: p.alarm.get(now, &t.cfg)}
		if p.out == nil { // else the last attempt went well
			s.LastError = p.lastError
		}
		if p.member != nil {
			s.Address = endpoint(p.member)
		}
		if c := p.best(); c != nil {
			s.TLS, s.Version = c.tlsStat(), c.version
		}
		stats = append(stats, s)
	}
	slices.SortFunc(stats, func(a, b PeerStat) int { return cmp.Compare(a.RaftID, b.RaftID) })
	return stats
}

// Close ends all connections without flushing. When it returns, all goroutines
// are gone, the port is free and every SnapshotSent owed has been called.
func (t *Transport) Close() error {
	t.closing.Do(func() {
		t.mu.Lock()
		t.closed = true
		t.mu.Unlock()
		t.cancel()
		if err := t.ln.Close(); err != nil {
			t.result = fmt.Errorf("transport: close %s: %w", t.ln.Addr(), plain(err))
		}
		t.sockets.closeAll()
		t.running.Wait()
		t.mu.Lock()
		for _, p := range t.peers {
			p.end()
		}
		t.mu.Unlock()
		t.reports.stop()
		t.last.Wait()
	})
	return t.result
}

// start runs f on a goroutine that Close waits for. Under t.mu.
func (t *Transport) start(f func()) {
	if t.closed {
		return
	}
	t.running.Add(1)
	t.cfg.Go(func() {
		defer t.running.Done()
		f()
	})
}

// logOnce logs text, unless it repeats what was last said about who and kind.
func (t *Transport) logOnce(level slog.Level, who, kind, text string) {
	text = clip(text)
	if t.limit.allow(who, kind, text) {
		t.cfg.Logger.Log(context.Background(), level, text)
	}
}

func (t *Transport) track(nc *net.TCPConn) bool { return t.sockets.add(nc) }
func (t *Transport) release(nc *net.TCPConn)    { t.sockets.close(nc) }

// sockets is every open connection, so that Close can end whatever waits on one.
type sockets struct {
	mu     sync.Mutex
	open   map[*net.TCPConn]bool
	closed bool
}

// add closes nc instead if closeAll was called.
func (s *sockets) add(nc *net.TCPConn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = map[*net.TCPConn]bool{}
	}
	s.open[nc] = true
	if s.closed {
		s.drop(nc)
	}
	return !s.closed
}

func (s *sockets) close(nc *net.TCPConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[nc] {
		s.drop(nc)
	}
}

// drop closes nc. What close(2) says of a socket concerns nobody: what was not
// delivered is lost either way.
func (s *sockets) drop(nc *net.TCPConn) {
	delete(s.open, nc)
	_ = nc.Close()
}

func (s *sockets) closeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for nc := range s.open {
		s.drop(nc)
	}
}
