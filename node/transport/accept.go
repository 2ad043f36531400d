package transport

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
)

var (
	errReplaced = errors.New("replaced by a newer connection of the same member")
	errTooMany  = fmt.Errorf("more than %d connections from unlisted members", maxUnlistedPeers)
	errChanged  = errors.New("the member list changed during the handshake")
	errAnswered = errors.New("answered, and that was all")
	errNothing  = errors.New("it said nothing") // who looks whether the port is open
	errCrowd    = errors.New("its place was wanted: it had not said who it is")
	errTwoOfOne = &suspectError{core.OtherReplica, "a live connection of another replica with the same Raft id exists"}
)

// acceptLoop takes connections until Close.
func (t *Transport) acceptLoop() {
	retry := backoff{min: t.cfg.BackoffMin, max: time.Second}
	for {
		nc, err := t.ln.AcceptTCP()
		if err != nil {
			if t.ctx.Err() != nil {
				return
			}
			// Out of descriptors, most likely: connections that end free some.
			t.logOnce(slog.LevelError, "", "accept", fmt.Sprintf("cannot accept connections on %s: %v", t.ln.Addr(), err))
			select {
			case <-time.After(retry.delay()):
			case <-t.ctx.Done():
				return
			}
			continue
		}
		retry.reset()
		if !t.track(nc) {
			return
		}
		t.givePlace(newConn(t, nc, false))
	}
}

// serve is the life of an accepted connection.
func (t *Transport) serve(c *conn) {
	defer t.release(c.nc)
	if !t.admit(c) {
		return
	}
	p := c.peer
	err := errPanic
	defer func() { p.detach(c, err) }()
	err = c.read()
}

// admit is the acceptor's side of the handshake; true: c belongs to a peer.
func (t *Transport) admit(c *conn) bool {
	generation, err := t.greet(c)
	if err == nil && c.from == 0 { // a probe
		err = errAnswered
	}
	t.mu.Lock()
	if !t.places.leave(c) {
		err = errCrowd
	}
	if err == nil {
		err = t.attachAccepted(c, generation)
	}
	t.mu.Unlock()
	if err == nil {
		t.logOnce(slog.LevelInfo, peerName(c.from), "accepted",
			fmt.Sprintf("%s connected from %s, version %d", peerName(c.from), host(c.nc.RemoteAddr()), c.version))
		t.twins(c)
		return true
	}
	switch {
	case errors.Is(err, errAnswered), errors.Is(err, errCrowd), t.ctx.Err() != nil: // said already
	case errors.Is(err, errChanged): // it dials again
		t.logOnce(slog.LevelDebug, peerName(c.from), "admit", fmt.Sprintf("closed a connection of %s: %v", peerName(c.from), err))
	default:
		level, from, k := slog.LevelWarn, addrOf(c.nc.RemoteAddr()), c.crowd()
		if c.from != 0 {
			k = t.saysItIs(c, core.NodeID(c.from))
		}
		if errors.Is(err, errNothing) {
			level = slog.LevelDebug
		}
		t.turnedDown(level, k, from, fmt.Sprintf("closed a connection from %s: %v", from, err))
	}
	return false
}

// twins raises the alarm when c took the place of a live connection of the same
// process from elsewhere: a machine that was copied while it ran looks like that.
// See rival for a data directory that was copied.
func (t *Transport) twins(c *conn) {
	old := c.replaces
	c.replaces = nil
	if old == nil || host(old.nc.RemoteAddr()) == host(c.nc.RemoteAddr()) {
		return
	}
	t.mu.Lock()
	t.raise(c.from, core.Copy)
	t.mu.Unlock()
	t.logOnce(slog.LevelWarn, peerName(c.from), "twins", fmt.Sprintf(
		"%s connects from %s while its replica %x is connected from %s: if its data_dir was copied, stop one of the two",
		peerName(c.from), host(c.nc.RemoteAddr()), c.replica, host(old.nc.RemoteAddr())))
}

// maxAsks bounds how often a Hello is put to the host again because the member
// list changed meanwhile: an invitation changes it.
const maxAsks = 3

// ask puts hello to the host, and says which member list it was asked under.
func (t *Transport) ask(hello *corepb.Hello) (w *corepb.Welcome, generation uint64) {
	for range maxAsks {
		generation = t.currentGeneration()
		w = t.cfg.Handler.Greet(hello)
		if t.currentGeneration() == generation {
			break
		}
	}
	return w, generation
}

func (t *Transport) currentGeneration() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.generation
}

// greet reads the Hello, asks the host and answers. It sets c.from, 0 for a
// probe, and returns the generation of the member list that the answer rests on.
// Refusals are logged here, since they are about the member.
func (t *Transport) greet(c *conn) (generation uint64, err error) {
	if err := t.tune(c.nc); err != nil {
		return 0, fmt.Errorf("set TCP options: %w", err)
	}
	if err := c.nc.SetDeadline(time.Now().Add(t.cfg.HandshakeTimeout)); err != nil {
		return 0, err
	}
	if err := c.secure(); hungUp(err) {
		return 0, errNothing
	} else if err != nil {
		return 0, plain(c.orAlert(err))
	}
	hello := &corepb.Hello{}
	if err := readGreeting(c.br, hello); err != nil {
		if c.br.Buffered() == 0 && hungUp(err) {
			return 0, errNothing
		}
		if c.state == nil && (errors.Is(err, ErrWireVersion) || errors.Is(err, errSpeaksTLS)) {
			err = errors.Join(err, c.say(wireVersion))
		}
		return 0, fmt.Errorf("waiting for its hello: %w", plain(err))
	}
	c.known.Store(true)
	if hello.GetToRaftId() != 0 && hello.GetFromRaftId() == 0 {
		return 0, fmt.Errorf("node %d has no Raft id, but its hello is no probe", hello.GetFromNode())
	}
	w, generation := t.ask(hello)
	if err := t.certified(c, hello); err != nil && w != nil && w.GetRefusal() == corepb.Refusal_NONE {
		w.Refusal, w.Reason = corepb.Refusal_OTHER_NODE, err.Error()
	}
	if w == nil {
		return 0, fmt.Errorf("this node has no answer for node %d now", hello.GetFromNode())
	}
	w.Process = t.process
	if w.GetRefusal() == corepb.Refusal_NONE && hello.GetToRaftId() != 0 {
		t.mu.Lock()
		rival := t.rival(hello.GetFromRaftId(), string(hello.GetFromReplica()), string(hello.GetProcess()))
		t.mu.Unlock()
		if rival != nil {
			w.Refusal, w.Reason = corepb.Refusal_DUPLICATE, rival.Error()
		}
	}
	t.greeted(hello, w)
	if err := writeGreeting(c.rw, w); err != nil {
		return 0, fmt.Errorf("answer node %d: %w", hello.GetFromNode(), plain(err))
	}
	if w.GetRefusal() != corepb.Refusal_NONE {
		from, text := addrOf(c.nc.RemoteAddr()), fmt.Sprintf("refused a connection of node %d from %s: %s (%s)",
			hello.GetFromNode(), host(c.nc.RemoteAddr()), w.GetReason(), w.GetRefusal())
		if t.ourselves(hello.GetProcess()) {
			t.cfg.Logger.Debug(text)
		} else {
			t.turnedDown(slog.LevelWarn, t.saysItIs(c, hello.GetFromNode()), from, text)
		}
		return 0, errAnswered
	}
	if hello.GetToRaftId() == 0 {
		return 0, errAnswered
	}
	c.from, c.replica, c.process = hello.GetFromRaftId(), string(hello.GetFromReplica()), string(hello.GetProcess())
	c.agree(core.HelloRange(hello), core.WelcomeRange(w))
	return generation, c.nc.SetDeadline(time.Time{})
}

// hungUp says that the other end has closed the connection.
func hungUp(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) }

// lingerTimeout is how long a stranger may take to read our last word.
const lingerTimeout = time.Second

// say sends the preamble with a version byte, which is all that a dialler who
// speaks otherwise understands, and gives it a moment to hang up: with its bytes
// unread, ours might not arrive.
func (c *conn) say(version byte) error {
	if err := c.nc.SetDeadline(time.Now().Add(lingerTimeout)); err != nil {
		return err
	}
	if _, err := c.nc.Write(append([]byte(magic), version)); err != nil {
		return err
	}
	if err := c.nc.CloseWrite(); err != nil {
		return err
	}
	_, err := io.CopyN(io.Discard, c.nc, maxHandshakeBytes)
	if errors.Is(err, io.EOF) || errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return err
}

// certified checks that the dialler's certificate is for the node that it says
// it is: for its address in the member list, or where it dials from.
func (t *Transport) certified(c *conn, hello *corepb.Hello) error {
	cert := c.peerCertificate()
	if cert == nil {
		return nil
	}
	addresses := []string{host(c.nc.RemoteAddr())}
	t.mu.Lock()
	for _, m := range t.members {
		if m.GetRaftId() == hello.GetFromRaftId() {
			addresses = []string{m.GetAddress()}
		}
	}
	t.mu.Unlock()
	return certifies(cert, hello.GetFromNode(), addresses...)
}

// processBytes is the length of what tells one process from another. Two have the
// same data when one of them was copied.
const processBytes = 16

// rival says, of a new connection, that the member is connected already and that
// whoever opens this one is somebody else: another replica, or another process
// with the same one. The first stays. A member that died without a word, and is
// back sooner than TCP gives its old connection up (Config.DeadTimeout), waits
// for that. Under t.mu.
func (t *Transport) rival(raftID uint64, replica, process string) error {
	p := t.peers[raftID]
	if p == nil {
		return nil
	}
	for _, c := range []*conn{p.in, p.out} {
		switch {
		case c == nil:
		case c.replica != replica:
			return errTwoOfOne
		case c.process != process:
			return &suspectError{core.Copy, fmt.Sprintf("node %d is connected already, from %s, by another process with the same data: if its data_dir was copied, "+
				"stop the copy and empty its data_dir; if it has just restarted, this passes within %v",
				core.NodeID(raftID), host(c.nc.RemoteAddr()), t.cfg.DeadTimeout)}
		}
	}
	return nil
}

// attachAccepted makes c the accepted connection of its peer. generation is the
// member list's from before Greet: if the member was taken off it since, the
// answer is out of date. Under t.mu.
func (t *Transport) attachAccepted(c *conn, generation uint64) error {
	p := t.peers[c.from]
	switch {
	case t.closed:
		return ErrClosed
	case t.generation != generation && (p == nil || p.member == nil):
		return errChanged
	}
	if err := t.tooOld(c); err != nil {
		return err
	}
	if err := t.rival(c.from, c.replica, c.process); err != nil {
		return err // told before: greet has asked the same
	}
	if p == nil || p.retiring {
		if t.unlisted() >= maxUnlistedPeers {
			return errTooMany
		}
		p = t.newPeer(c.from)
	}
	if old := p.in; old != nil {
		c.replaces = old
		p.unlink(old)
		old.close(errReplaced)
	}
	p.in = c
	p.attached(c)
	if p.out == nil {
		poke(p.retry) // it is back: do not wait for the backoff
	}
	return nil
}

// unlisted counts peers that exist only because they dialled. Under t.mu.
func (t *Transport) unlisted() (n int) {
	for _, p := range t.peers {
		if p.member == nil {
			n++
		}
	}
	return n
}

func peerName(raftID uint64) string {
	return fmt.Sprintf("node %d (incarnation %d)", core.NodeID(raftID), core.Incarnation(raftID))
}

// host is an address without its port, which differs every time.
func host(a net.Addr) string {
	h, _, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String()
	}
	return h
}
