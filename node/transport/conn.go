package transport

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
)

// writeChunkBytes is how much must be taken over within Config.WriteTimeout, so
// that a large snapshot over a slow line is not a stuck peer.
const writeChunkBytes = 256 << 10

// conn is one connection: its socket is tracked by the Transport from open or
// accept until release. Before the handshake it belongs to no peer.
type conn struct {
	t       *Transport
	nc      *net.TCPConn
	source  source               // of an accepted one, see places
	raw     net.Conn             // quiet(nc)
	rw      net.Conn             // raw, or TLS over it
	state   *tls.ConnectionState // nil without TLS
	br      *bufio.Reader
	bw      *bufio.Writer // nil before admitted
	now     *quietConn    // to write without waiting; nil before admitted, and with TLS
	frames  []byte        // of writeNow; whoever is busy with the peer has it
	dialled bool
	from    uint64      // Raft id of the other end, as the handshake said
	replica string      // its replica uuid
	speaks  core.Range  // what it said of its versions
	version uint32      // the newest that both know
	process string      // which one is there, see Transport.rival
	peer    *peer       // set by attached
	known   atomic.Bool // the other end has said who it is; before, it may lose its place

	replaces *conn // the accepted connection of the same member that this one ended

	since time.Time
	sent  bool // messages were taken for it, and are lost if it ends; under t.mu

	once  sync.Once
	cause error // guarded by once: why it was closed from this side
}

func newConn(t *Transport, nc *net.TCPConn, dialled bool) *conn {
	c := &conn{t: t, nc: nc, dialled: dialled, raw: quiet(nc)}
	c.use(c.raw)
	return c
}

// use reads and writes through rw from now on.
func (c *conn) use(rw net.Conn) {
	c.rw = rw
	c.br = bufio.NewReaderSize(rw, handshakeBufferBytes)
}

// admitted gives c the buffers that messages want. What was read already stays.
func (c *conn) admitted() {
	c.br = bufio.NewReaderSize(c.br, bufferBytes)
	c.bw = bufio.NewWriterSize(progressWriter{c.rw, c.t.cfg.WriteTimeout}, bufferBytes)
	c.now, _ = c.rw.(*quietConn)
}

// progressWriter wants progress rather than a whole write within timeout.
type progressWriter struct {
	nc      net.Conn
	timeout time.Duration
}

func (w progressWriter) Write(b []byte) (int, error) {
	for done := 0; ; {
		if err := w.nc.SetWriteDeadline(time.Now().Add(w.timeout)); err != nil {
			return done, err
		}
		n, err := w.nc.Write(b[done:min(len(b), done+writeChunkBytes)])
		if done += n; err != nil || done == len(b) {
			return done, err
		}
	}
}

// close ends c; its reader then reports cause, if it is the first.
func (c *conn) close(cause error) {
	c.once.Do(func() { c.cause = cause })
	c.t.release(c.nc)
}

// ended is why c is over, given what its reader found.
func (c *conn) ended(err error) error {
	c.once.Do(func() { c.cause = err })
	return c.cause
}

// halfClose sends what was written and then an end of stream, and gives the
// other side until deadline to do the same: closing at once with its bytes
// unread would discard ours on the way.
func (c *conn) halfClose(deadline time.Time) {
	if err := errors.Join(c.nc.SetReadDeadline(deadline), c.closeWrite()); err != nil {
		c.close(err)
	}
}

// write sends a batch in as few system calls as its bytes allow.
func (c *conn) write(batch []core.Send) error {
	var h [frameHeaderBytes]byte
	for _, s := range batch {
		putFrameHeader(&h, s.Data)
		if _, err := c.bw.Write(h[:]); err != nil {
			return err
		}
		if _, err := c.bw.Write(s.Data); err != nil {
			return err
		}
	}
	if err := c.bw.Flush(); err != nil {
		return err
	}
	return c.nc.SetWriteDeadline(time.Time{}) // for writeNow
}

// writeNow sends as much of a batch as the socket takes without waiting, in one system
// call, and returns the rest, which is valid until the next call.
func (c *conn) writeNow(batch []core.Send) (rest []byte, err error) {
	c.frames = c.frames[:0]
	for _, s := range batch {
		c.frames = appendFrame(c.frames, s.Data)
	}
	n, err := c.now.tryWrite(c.frames)
	return c.frames[n:], err
}

// writeRest sends what writeNow has left.
func (c *conn) writeRest(rest []byte) error {
	if _, err := (progressWriter{c.rw, c.t.cfg.WriteTimeout}).Write(rest); err != nil {
		return err
	}
	return c.nc.SetWriteDeadline(time.Time{})
}

// read delivers messages until the connection ends, and says why. What has arrived
// together is delivered together.
func (c *conn) read() error {
	p := c.peer
	var messages [][]byte
	for {
		var err error
		messages, err = readFrames(c.br, maxFrameBytes, messages[:0])
		if n := len(messages); n > 0 {
			bytes := 0
			for _, m := range messages {
				bytes += frameHeaderBytes + len(m)
			}
			p.messagesIn.Add(uint64(n))
			p.bytesIn.Add(uint64(bytes))
			if !c.t.cfg.Handler.Receive(c.from, messages) {
				p.droppedIn.Add(uint64(n))
			}
			clear(messages)
		}
		if err != nil {
			return err
		}
	}
}

// open dials address and exchanges hello for a Welcome, within ctx. A Welcome
// that refuses is a *refusedError. The caller closes the conn.
func (t *Transport) open(ctx context.Context, address string, hello *corepb.Hello) (*conn, *corepb.Welcome, error) {
	d := net.Dialer{Timeout: t.cfg.DialTimeout}
	d.SetMultipathTCP(false) // its sockets ignore the TCP options set below
	raw, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrUnreachable, plain(err))
	}
	nc := raw.(*net.TCPConn)
	if !t.track(nc) {
		return nil, nil, ErrClosed
	}
	c := newConn(t, nc, true)
	hello = proto.CloneOf(hello)
	hello.Process = t.process
	w, err := c.greet(ctx, address, hello)
	if err != nil {
		c.close(err)
		var refused *refusedError
		switch {
		case errors.As(err, &refused):
		case t.ctx.Err() != nil:
			err = ErrClosed
		case ctx.Err() != nil:
			err = fmt.Errorf("%w: connected, but no answer: %w", ErrUnreachable, context.Cause(ctx))
		}
		return nil, nil, err
	}
	return c, w, nil
}

// greet is the dialler's side of the handshake with whoever is at address.
func (c *conn) greet(ctx context.Context, address string, hello *corepb.Hello) (*corepb.Welcome, error) {
	if err := c.t.tune(c.nc); err != nil {
		return nil, fmt.Errorf("set TCP options: %w", err)
	}
	if err := c.nc.SetDeadline(time.Now().Add(c.t.cfg.HandshakeTimeout)); err != nil {
		return nil, classify(c.orAlert(err))
	}
	stop := context.AfterFunc(ctx, func() { c.t.release(c.nc) })
	defer stop()
	if err := c.secure(); err != nil {
		return nil, classify(c.orAlert(err))
	}
	if cert := c.peerCertificate(); cert != nil {
		address, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		if err := certifies(cert, hello.GetToNode(), address); err != nil {
			return nil, err
		}
	}
	if err := writeGreeting(c.rw, hello); err != nil {
		return nil, classify(c.orAlert(err))
	}
	w := &corepb.Welcome{}
	if err := readGreeting(c.br, w); err != nil {
		return nil, classify(c.orAlert(err))
	}
	if w.GetRefusal() != corepb.Refusal_NONE {
		return nil, &refusedError{w, core.HelloRange(hello)}
	}
	if err := c.nc.SetDeadline(time.Time{}); err != nil {
		return nil, classify(c.orAlert(err))
	}
	return w, nil
}

// tune makes the kernel send at once and give up on a peer that is silent for
// Config.DeadTimeout, whether or not there is something to send.
func (t *Transport) tune(nc *net.TCPConn) error {
	dead := t.cfg.DeadTimeout
	idle := max(time.Second, (dead / 2).Truncate(time.Second))
	return errors.Join(
		nc.SetNoDelay(true),
		nc.SetKeepAliveConfig(net.KeepAliveConfig{
			Enable: true, Idle: idle, Interval: time.Second, Count: max(1, int((dead-idle)/time.Second)),
		}),
		setUserTimeout(nc, dead),
	)
}

// Probe makes one handshake with whoever listens on address (host:port) and
// closes: hello asks with ToRaftId 0. A Welcome that refuses is no error.
// Otherwise the error wraps ErrUnreachable, ErrNotPgraft, ErrWireVersion or
// ErrClosed.
func (t *Transport) Probe(ctx context.Context, address string, hello *corepb.Hello) (*corepb.Welcome, error) {
	if hello.GetToRaftId() != 0 {
		return nil, fmt.Errorf("transport: probe %s: the hello is for member %d, a probe has no Raft id",
			address, hello.GetToRaftId())
	}
	c, w, err := t.open(ctx, address, hello)
	var refused *refusedError
	if errors.As(err, &refused) {
		return proto.CloneOf(refused.welcome), nil
	}
	var hungUp *hungUpError
	if errors.As(err, &hungUp) {
		err = fmt.Errorf("%w, or no pgraft node", err)
	}
	if err != nil {
		return nil, fmt.Errorf("transport: probe %s: %w", address, err)
	}
	c.close(errAnswered)
	return w, nil
}
