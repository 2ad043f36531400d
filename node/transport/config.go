package transport

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/pgraft/pgraft/core/corepb"
)

const (
	// maxPeerQueueBytes bounds the payload queued for one peer, what is being
	// written included.
	maxPeerQueueBytes = 64 << 20
	// maxPeerQueueMessages bounds the messages queued for one peer.
	maxPeerQueueMessages = 16 << 10
	// maxBatchBytes is how much of the queue one write takes at a time, unless
	// a single message is larger.
	maxBatchBytes = 1 << 20
	// maxUnlistedPeers bounds accepted connections from Raft ids that SetPeers
	// does not list.
	maxUnlistedPeers = 64
	// maxLostIDs bounds the Raft ids remembered as reported unreachable though
	// nothing is known of them.
	maxLostIDs = 1024
)

// Handler is the node's side. Methods are called from the transport's
// goroutines, never from inside Send, SetPeers or Peers: quick, and safe for
// concurrent use.
type Handler interface {
	// Hello is what to say when dialling a member; nil: do not dial now.
	Hello(to *corepb.Member) *corepb.Hello
	// Greet answers a Hello: it decides, carries out a join durably, and says
	// so. Refusal NONE means accepted; nil closes without an answer.
	Greet(hello *corepb.Hello) *corepb.Welcome
	// Receive takes core messages, each an encoded corepb.Envelope, in their order,
	// from the member that the handshake of their connection named. False: the node is
	// over its bound and all of them are dropped. The callee owns the bytes of each, and
	// not the slice of them.
	Receive(from uint64, messages [][]byte) bool
	// Unreachable says that messages to a member may have been lost: once when
	// a connection that carried some ends or an outage begins, and once per
	// burst of drops because its queue was full.
	Unreachable(raftID uint64)
	// Closed says that a member listed by SetPeers has no connection and its port refuses
	// one (ECONNREFUSED); or, false, that it has one again. After every change, but for
	// those that were over before they could be said.
	Closed(raftID uint64, closed bool)
	// SnapshotSent comes exactly once for every Send with Snapshot set,
	// whatever became of it. ok: it was handed to the operating system whole.
	SnapshotSent(raftID uint64, ok bool)
	// Refused says that a member refused our Hello, after every such attempt.
	Refused(peer *corepb.Member, w *corepb.Welcome)
}

// Config is what Listen needs. Handler and Listen are required; a zero value
// anywhere else means the default.
type Config struct {
	Listen  string // host:port; port 0 takes a free one
	Handler Handler
	Logger  *slog.Logger // default: discard
	// Go starts every goroutine that runs code of the transport or of the
	// Handler, so that the host can recover from a panic in it. It must not
	// run f itself. Default: go f().
	Go func(f func())

	// LookUp resolves a member's host name. Default: as dialling does.
	LookUp func(ctx context.Context, name string) ([]netip.Addr, error)

	// TLS, when not nil, is spoken with everyone, and nobody is spoken to without.
	TLS *TLS

	DialTimeout      time.Duration // for a TCP connection; default 2 s
	HandshakeTimeout time.Duration // for Hello and Welcome, on both sides; default 5 s
	WriteTimeout     time.Duration // for 256 KiB of progress; default 5 s
	DeadTimeout      time.Duration // until TCP gives up a silent peer; whole seconds, default 5 s
	DrainTimeout     time.Duration // to flush the queue of a peer no longer listed; default 3 s

	BackoffMin        time.Duration // before a reconnect; default 50 ms
	BackoffMax        time.Duration // default 2 s
	RefusedBackoffMin time.Duration // after a refusal; default 1 s
	RefusedBackoffMax time.Duration // default 10 s
	TurnedAwayBackoff time.Duration // at most, after a hang-up without an answer; default 500 ms
	StableAfter       time.Duration // a connection that lasted so long resets the backoff; default 3 s

	SummaryAfter time.Duration // until a log line counts strangers' connections; default 1 min

	QueueBytes    int // per peer; default and maximum maxPeerQueueBytes (64 MiB)
	QueueMessages int // per peer; default and maximum maxPeerQueueMessages (16384)
}

// Validate says what is wrong with c, nil if nothing is.
func (c Config) Validate() error {
	if c.Handler == nil {
		return errors.New("transport: config: Handler is not set")
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return fmt.Errorf("transport: config: Listen %q is no host:port: %w", c.Listen, err)
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"DialTimeout", c.DialTimeout}, {"HandshakeTimeout", c.HandshakeTimeout},
		{"WriteTimeout", c.WriteTimeout}, {"DeadTimeout", c.DeadTimeout}, {"DrainTimeout", c.DrainTimeout},
		{"BackoffMin", c.BackoffMin}, {"BackoffMax", c.BackoffMax},
		{"RefusedBackoffMin", c.RefusedBackoffMin}, {"RefusedBackoffMax", c.RefusedBackoffMax},
		{"TurnedAwayBackoff", c.TurnedAwayBackoff}, {"StableAfter", c.StableAfter}, {"SummaryAfter", c.SummaryAfter},
	} {
		if d.value < 0 {
			return fmt.Errorf("transport: config: %s is negative: %v", d.name, d.value)
		}
	}
	if c.DeadTimeout%time.Second != 0 {
		return fmt.Errorf("transport: config: DeadTimeout is not in whole seconds: %v", c.DeadTimeout)
	}
	if c.QueueBytes < 0 || c.QueueBytes > maxPeerQueueBytes {
		return fmt.Errorf("transport: config: QueueBytes is %d, not in 0..%d", c.QueueBytes, maxPeerQueueBytes)
	}
	if c.QueueMessages < 0 || c.QueueMessages > maxPeerQueueMessages {
		return fmt.Errorf("transport: config: QueueMessages is %d, not in 0..%d", c.QueueMessages, maxPeerQueueMessages)
	}
	d := c.withDefaults()
	if d.BackoffMin > d.BackoffMax {
		return fmt.Errorf("transport: config: BackoffMin %v > BackoffMax %v", d.BackoffMin, d.BackoffMax)
	}
	if d.RefusedBackoffMin > d.RefusedBackoffMax {
		return fmt.Errorf("transport: config: RefusedBackoffMin %v > RefusedBackoffMax %v",
			d.RefusedBackoffMin, d.RefusedBackoffMax)
	}
	return nil
}

func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Go == nil {
		c.Go = func(f func()) { go f() }
	}
	if c.LookUp == nil {
		c.LookUp = func(ctx context.Context, name string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", name)
		}
	}
	setDefault(&c.DialTimeout, 2*time.Second)
	setDefault(&c.HandshakeTimeout, 5*time.Second)
	setDefault(&c.WriteTimeout, 5*time.Second)
	setDefault(&c.DeadTimeout, 5*time.Second)
	setDefault(&c.DrainTimeout, 3*time.Second)
	setDefault(&c.BackoffMin, 50*time.Millisecond)
	setDefault(&c.BackoffMax, 2*time.Second)
	setDefault(&c.RefusedBackoffMin, time.Second)
	setDefault(&c.RefusedBackoffMax, 10*time.Second)
	setDefault(&c.TurnedAwayBackoff, 500*time.Millisecond)
	setDefault(&c.StableAfter, 3*time.Second)
	setDefault(&c.SummaryAfter, time.Minute)
	setDefault(&c.QueueBytes, maxPeerQueueBytes)
	setDefault(&c.QueueMessages, maxPeerQueueMessages)
	return c
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}
