package transport

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
)

// wireVersion is the version of frames and handshake; what is said in them has
// corepb's protocol number.
const wireVersion = 1

// versionNeedsTLS, in place of a version, says that this node speaks TLS only.
const versionNeedsTLS = 0xff

// magic opens every connection, in both directions, before a version byte.
// Neither TLS, HTTP nor PostgreSQL starts like it, and it looks wrong to them.
const magic = "pgraft\n"

const preambleBytes = len(magic) + 1

// Errors of Probe, and reasons for which a connection did not come about.
var (
	// ErrUnreachable: no connection, no answer in time, or hung up without one.
	ErrUnreachable = errors.New("unreachable")
	// ErrNotPgraft: something answers there, and it is no pgraft node.
	ErrNotPgraft = errors.New("not a pgraft node")
	// ErrWireVersion: a pgraft node with another version of the wire format.
	ErrWireVersion = errors.New("another wire version")
	// ErrTLS: one of the two does not want the other's certificate, or its lack.
	ErrTLS = errors.New("TLS")
	// ErrClosed: the transport was closed.
	ErrClosed = errors.New("transport closed")
)

// refusedError is a Welcome that refuses.
type refusedError struct {
	welcome *corepb.Welcome
	speaks  core.Range // what our Hello said
}

func (e *refusedError) Error() string {
	return fmt.Sprintf("refused: %s (%s)", e.welcome.GetReason(), e.welcome.GetRefusal())
}

// writeGreeting sends the preamble and m, a Hello or a Welcome, in one write.
func writeGreeting(w io.Writer, m proto.Message) error {
	data, err := proto.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode %T: %w", m, err)
	}
	if len(data) > maxHandshakeBytes {
		return fmt.Errorf("%T of %d bytes: at most %d are allowed", m, len(data), maxHandshakeBytes)
	}
	b := append([]byte(magic), wireVersion)
	_, err = w.Write(appendFrame(b, data))
	return err
}

// readGreeting reads a preamble and m. The error wraps ErrNotPgraft,
// ErrWireVersion or the reader's own.
func readGreeting(r *bufio.Reader, m proto.Message) error {
	if err := readPreamble(r); err != nil {
		return err
	}
	data, err := readFrame(r, maxHandshakeBytes)
	if err != nil {
		if errors.Is(err, errFrameTooLarge) || errors.Is(err, errFrameCorrupt) {
			return fmt.Errorf("%w: %w", ErrNotPgraft, err)
		}
		return noEOF(err)
	}
	if err := proto.Unmarshal(data, m); err != nil {
		return fmt.Errorf("%w: %d bytes are no %s: %w", ErrNotPgraft, len(data), m.ProtoReflect().Descriptor().Name(), err)
	}
	return nil
}

// readPreamble fails at the first byte that does not belong, so that a stranger
// who waits for our answer is not kept until the deadline.
func readPreamble(r *bufio.Reader) error {
	for n := 1; n <= preambleBytes; n++ {
		b, err := r.Peek(n)
		if err != nil {
			return err
		}
		if n <= len(magic) && b[n-1] != magic[n-1] {
			all, err := r.Peek(r.Buffered())
			if err != nil {
				return err
			}
			if len(all) >= 2 && (all[0] == 0x16 || all[0] == 0x15) && all[1] == 3 {
				return errSpeaksTLS
			}
			return fmt.Errorf("%w: %s", ErrNotPgraft, describe(all))
		}
	}
	b, err := r.Peek(preambleBytes)
	if err != nil {
		return err
	}
	if b[len(magic)] == versionNeedsTLS {
		return errNeedsTLS
	}
	if v := b[len(magic)]; v != wireVersion {
		return fmt.Errorf("%w: it speaks %d, this node %d", ErrWireVersion, v, wireVersion)
	}
	_, err = r.Discard(preambleBytes)
	return err
}

// describe says for people what b, the first bytes of a stream, looks like.
func describe(b []byte) string {
	const (
		pgProtocol3  = 196608
		pgCancel     = 80877102
		pgSSLRequest = 80877103
		pgGSSRequest = 80877104
	)
	switch {
	case bytes.HasPrefix(b, []byte("SSH-")):
		return "it speaks SSH"
	case isHTTP(b):
		return "it speaks HTTP"
	case len(b) >= 8:
		switch c := binary.BigEndian.Uint32(b[4:]); {
		case c == pgSSLRequest, c == pgGSSRequest, c == pgCancel, c >= pgProtocol3 && c < pgProtocol3+1<<16:
			return "it is a PostgreSQL client (this is the port of pgraft, not of the server)"
		}
	}
	return fmt.Sprintf("it starts with %q", b[:min(len(b), 16)])
}

func isHTTP(b []byte) bool {
	for _, word := range strings.Fields("GET POST PUT HEAD DELETE OPTIONS CONNECT PATCH TRACE PRI HTTP/1.0 HTTP/1.1") {
		if bytes.HasPrefix(b, []byte(word)) {
			return true
		}
	}
	return false
}

// hungUpError says that the other side closed the connection before it answered.
// A member does so while it starts and stops, and when strangers take its places.
// Whether by an end or a reset is left to chance, and not said.
type hungUpError struct{ err error }

func (e *hungUpError) Error() string {
	return "it closed the connection before it answered; it may be starting, stopping, or turning away connections"
}
func (e *hungUpError) Is(target error) bool { return target == ErrUnreachable }
func (e *hungUpError) Unwrap() error        { return e.err }

// classify says of an error while waiting for a Welcome whether the other side
// was silent or is something else. Only a wrong answer makes it no pgraft node.
func classify(err error) error {
	var ne net.Error
	err = plain(err)
	switch {
	case errors.Is(err, ErrNotPgraft), errors.Is(err, ErrWireVersion), errors.Is(err, ErrTLS):
		return err
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &ne) && ne.Timeout():
		return fmt.Errorf("%w: connected, but no answer: %w", ErrUnreachable, err)
	case errors.Is(err, net.ErrClosed):
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	return &hungUpError{err}
}

// plain leaves out of a network error what differs at every attempt, the local
// port above all, so that a log line that says the same is known as such.
func plain(err error) error {
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsTimeout {
		return fmt.Errorf("look up %s: no answer in time", dns.Name)
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}
