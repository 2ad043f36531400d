//go:build integration

package facts

import (
	"io"
	"math"
	"net"
	"strconv"
	"sync"
	"testing"

	"github.com/pgraft/pgraft/tools/internal/freeport"
)

// narrow stands between a primary and its standby. Once told to, it lets so many more
// bytes through to the standby, and then stalls: the connections stay.
type narrow struct {
	listener net.Listener
	to       string
	serving  sync.WaitGroup

	mu     sync.Mutex
	more   *sync.Cond // broadcast when left or closed changes
	left   int64      // bytes
	closed bool
	conns  []net.Conn
}

func newNarrow(t *testing.T, toPort int) *narrow {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(freeport.Loopback, "0"))
	must(t, err)
	n := &narrow{listener: l, to: net.JoinHostPort(freeport.Loopback, strconv.Itoa(toPort)), left: math.MaxInt64}
	n.more = sync.NewCond(&n.mu)
	n.serving.Go(n.accept)
	t.Cleanup(func() {
		must(t, l.Close())
		n.mu.Lock()
		n.closed = true
		for _, c := range n.conns {
			c.Close()
		}
		n.mu.Unlock()
		n.more.Broadcast()
		n.serving.Wait()
	})
	return n
}

func (n *narrow) port() int { return n.listener.Addr().(*net.TCPAddr).Port }

// limit lets so many more bytes through to the standby, over all connections together.
func (n *narrow) limit(bytes int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.left = bytes
}

func (n *narrow) accept() {
	for {
		in, err := n.listener.Accept()
		if err != nil {
			return // closed
		}
		out, err := net.Dial("tcp", n.to)
		if err != nil {
			in.Close() // the standby tries again
			continue
		}
		n.mu.Lock()
		n.conns = append(n.conns, in, out)
		if n.closed {
			in.Close()
			out.Close()
		}
		n.mu.Unlock()
		// What ends a connection does not matter: then both ends see that.
		n.serving.Go(func() {
			_, _ = io.Copy(out, in)
			out.Close()
		})
		n.serving.Go(func() {
			_, _ = io.Copy(limited{in, n}, out)
			in.Close()
		})
	}
}

// limited is a writer that waits where the limit is reached.
type limited struct {
	io.Writer
	n *narrow
}

func (l limited) Write(data []byte) (written int, err error) {
	for written < len(data) {
		part, ok := l.n.take(int64(len(data) - written))
		if !ok {
			return written, net.ErrClosed
		}
		n, err := l.Writer.Write(data[written:][:part])
		written += n
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

// take waits until some of the bytes may go through, and says how many.
func (n *narrow) take(bytes int64) (int64, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for n.left == 0 && !n.closed {
		n.more.Wait()
	}
	bytes = min(bytes, n.left)
	if n.left != math.MaxInt64 {
		n.left -= bytes
	}
	return bytes, !n.closed
}
